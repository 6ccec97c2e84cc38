// Whole texts from and to files.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace qkv {

/// The whole text of a file, without the byte order mark that some editors put first.
/// @throws file_error "notes.txt: expected a text in UTF-8; found no file of that name" (or a directory, nothing at
///         all, a NUL byte as in binary files, bytes that are not UTF-8)
std::string read_text(const std::filesystem::path& path);

class input_file;
/// What is the text of these bytes: all but a byte order mark.   @throws file_error as read_text() does
std::string_view checked_text(const input_file& file, std::string_view bytes);

/// Whether the bytes begin with the mark of UTF-16: what they hold is no UTF-8, however many lines it seems to have.
bool begins_as_utf16(std::string_view bytes);

/// Replaces the file in one step: its name always holds the old text or the new.  Throws file_error.
void write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace qkv
