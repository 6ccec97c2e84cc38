// UTF-8, the encoding of every text that qkv reads and writes.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace qkv {

/// The number of bytes before the first that is not valid UTF-8; text.size() if all are.  Overlong forms,
/// surrogates and code points above U+10FFFF are not valid.
std::size_t valid_utf8_length(std::string_view text);

/// The code point that starts at `position` of a valid text, and moves `position` behind it.
char32_t next_code_point(std::string_view text, std::size_t& position);

void append_utf8(std::string& text, char32_t code_point);

}  // namespace qkv
