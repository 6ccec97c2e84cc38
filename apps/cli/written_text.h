// Texts that a model has written, on their way to the screen.
#pragma once
#include <string>

namespace qkv::cli {

/// The text with control characters shown by number, so that it cannot steer a terminal; spaces and lines stay.
std::string printable(const std::string& text);

/// Prints a piece of text at once; on a terminal control characters are shown by number, not obeyed.
/// Returns false when it could not be written.
bool print_text(const std::string& piece);

}  // namespace qkv::cli
