#include "qkv/io/utf8.h"

namespace qkv {
namespace {

unsigned byte_at(std::string_view text, std::size_t position) { return static_cast<unsigned char>(text[position]); }

/// Bytes of the sequence that starts with this byte; 0 if none does.
std::size_t sequence_length(unsigned first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;  // C0 and C1 would be overlong
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

bool valid_sequence(std::string_view sequence) {
  for (std::size_t i = 1; i < sequence.size(); ++i) {
    if ((byte_at(sequence, i) & 0xC0) != 0x80) return false;
  }
  std::size_t position = 0;
  const char32_t code_point = next_code_point(sequence, position);
  const bool overlong = (sequence.size() == 3 && code_point < 0x800) || (sequence.size() == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
  return !overlong && !surrogate && code_point <= 0x10FFFF;
}

}  // namespace

std::size_t valid_utf8_length(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    const std::size_t length = sequence_length(byte_at(text, position));
    if (length == 0 || length > text.size() - position) break;
    if (length > 1 && !valid_sequence(text.substr(position, length))) break;
    position += length;
  }
  return position;
}

char32_t next_code_point(std::string_view text, std::size_t& position) {
  const unsigned first = byte_at(text, position);
  const std::size_t length = sequence_length(first);
  char32_t code_point = length == 1 ? first : first & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) code_point = code_point << 6 | (byte_at(text, position + i) & 0x3F);
  position += length;
  return code_point;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto continuation = [&](int shift) { text += char(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) {
    text += char(code_point);
  } else if (code_point < 0x800) {
    text += char(0xC0 | code_point >> 6);
    continuation(0);
  } else if (code_point < 0x10000) {
    text += char(0xE0 | code_point >> 12);
    continuation(6);
    continuation(0);
  } else {
    text += char(0xF0 | code_point >> 18);
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

}  // namespace qkv
