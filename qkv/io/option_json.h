// Options as one line of JSON: an object that holds every field under its name.
//
// `each_field(options, see)` calls see(name, field) for every field, and see(name, field, words) for a choice, whose
// words stand in the order of its enum.  Included by the sources that define a to_json(), never by headers.
#pragma once
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <type_traits>

#include "qkv/base/error.h"

namespace qkv::option_json {

using nlohmann::json;

[[noreturn]] inline void complain(const std::string& what, const std::string& expected, const std::string& found) {
  throw file_error(what + ": expected " + expected + "; found " + found);
}

inline std::string shortened(const std::string& text) {
  return text.size() > 40 ? text.substr(0, 40) + "..." : "\"" + text + "\"";
}

template <class T>
std::string kind_of() {
  if (std::is_same_v<T, bool>) return "true or false";
  if (std::is_floating_point_v<T>) return "a number";
  return std::is_unsigned_v<T> ? "a whole number of at least 0" : "a whole number";
}

template <class T>
void read(const std::string& what, const std::string& key, const json& from, T& value) {
  const bool fits = std::is_same_v<T, bool>       ? from.is_boolean()
                    : std::is_floating_point_v<T> ? from.is_number()
                    : std::is_unsigned_v<T>       ? from.is_number_unsigned()
                                                  : from.is_number_integer();
  if (!fits) complain(what, key + " to be " + kind_of<T>(), from.dump());
  value = from.get<T>();
}

template <class Choice, std::size_t N>
void read(const std::string& what, const std::string& key, const json& from, Choice& value,
          const std::array<const char*, N>& words) {
  std::string choices;
  for (std::size_t i = 0; i < N; ++i) {
    if (from == words[i]) return void(value = Choice(i));
    choices += (i ? ", " : "") + std::string(words[i]);
  }
  complain(what, key + " to be one of " + choices, from.dump());
}

template <class Options, class EachField>
std::string written(const Options& options, EachField each_field) {
  json out;
  each_field(options, [&](const char* key, const auto& value, const auto&... words) {
    if constexpr (sizeof...(words) == 0)
      out[key] = value;
    else
      out[key] = (words, ...)[std::size_t(value)];
  });
  return out.dump();
}

/// A field that is missing keeps its default; a name, a word or a type that does not belong is an error.
/// @throws file_error "decoder configuration: expected width to be a number; found "wide""
template <class Options, class EachField>
Options read_back(const std::string& what, const std::string& text, EachField each_field) {
  const json in = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!in.is_object()) complain(what, "a JSON object", shortened(text));
  Options options;
  std::set<std::string> known;
  each_field(options, [&](const char* key, auto& value, const auto&... words) {
    known.insert(key);
    if (in.contains(key)) read(what, key, in[key], value, words...);
  });
  for (const auto& [key, value] : in.items())
    if (!known.contains(key)) complain(what, "only options that this version knows", "\"" + key + "\"");
  return options;
}

}  // namespace qkv::option_json
