#include "qkv/tokens/byte_characters.h"

#include <array>

#include "qkv/io/utf8.h"

namespace qkv::tokens {
namespace {

bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct byte_alphabet {
  std::array<char32_t, 256> character{};
  std::array<int, 512> byte{};  // -1: no byte

  byte_alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (unsigned b = 0; b < 256; ++b) {
      character[b] = stands_for_itself(b) ? char32_t(b) : next++;
      byte[character[b]] = int(b);
    }
  }
};

const byte_alphabet& alphabet() {
  static const byte_alphabet made;
  return made;
}

}  // namespace

std::string characters_of_bytes(std::string_view bytes) {
  std::string characters;
  for (const char byte : bytes) append_utf8(characters, alphabet().character[static_cast<unsigned char>(byte)]);
  return characters;
}

std::optional<std::string> bytes_of_characters(std::string_view characters) {
  std::string bytes;
  for (std::size_t position = 0; position < characters.size();) {
    const char32_t character = next_code_point(characters, position);
    if (character >= alphabet().byte.size() || alphabet().byte[character] < 0) return std::nullopt;
    bytes += char(alphabet().byte[character]);
  }
  return bytes;
}

std::string bytes_in_order() {
  std::string bytes;
  for (const int byte : alphabet().byte)
    if (byte >= 0) bytes += char(byte);
  return bytes;
}

}  // namespace qkv::tokens
