// Texts as commands are given them: as arguments, in a file, or on standard input.
#pragma once
#include <string>
#include <vector>

#include "qkv/base/error.h"

namespace qkv::cli {

/// What stands for standard input in place of a text or of a file's name.
inline constexpr const char* standard_input = "-";

/// All of standard input, without the line end that closes it.
/// @throws usage_error where it is a terminal, empty or not UTF-8, which says that `what` was expected
std::string text_from_standard_input(const std::string& what);
/// The text, or all of standard input where there is none or `-`.
std::string text_or_standard_input(const std::string& text, const std::string& what);

/// The arguments, or the lines of the file, or those of standard input, where there is neither or `-`: at least one.
/// @param file  a name, or empty   @throws usage_error where there is none, or one is not UTF-8; file_error
std::vector<std::string> given_texts(const std::vector<std::string>& arguments, const std::string& file,
                                     const std::string& what);

/// Runs `read`, and puts the file's name before what it complains of.
template <class Read>
auto in_file(const std::string& name, Read read) try {
  return read();
} catch (const shape_error& error) { throw file_error(name + ": " + error.what()); }

}  // namespace qkv::cli
