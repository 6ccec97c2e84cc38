// What an exception says, for tests of messages.
#pragma once
#include <exception>
#include <string>

namespace qkv {

/// The message of the exception of type Error that f throws; "no exception" where it throws none.
template <class Error = std::exception, class Function>
std::string message_of(Function&& f) {
  try {
    f();
  } catch (const Error& error) { return error.what(); }
  return "no exception";
}

}  // namespace qkv
