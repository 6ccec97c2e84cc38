// Texts from JSON Lines: an object a line, of which some fields are texts.
#pragma once
#include <string>

namespace qkv::cli {

/// A text, or what is wrong with where it was sought; one of them is empty.
struct text_or_fault {
  std::string text, fault;
};

/// The field of that name in a line that holds a JSON object.
text_or_fault field_in(const std::string& line, const std::string& field);

/// A field of every line of a file, with line breaks between them.
/// @param skip_bad  leave out lines that have none, and say how many, rather than refuse them
/// @throws file_error that names the file and the line
std::string read_field(const std::string& path, const std::string& field, bool skip_bad);

}  // namespace qkv::cli
