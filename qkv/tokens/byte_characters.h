// A printable character for every byte, so that any bytes can be written as a token in JSON: " the" is "Ġthe".
// Source: Radford et al. 2019, the published code of GPT-2 (bytes_to_unicode).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace qkv::tokens {

/// The bytes as characters: printable ones stand for themselves, the others for U+0100 and what follows.
std::string characters_of_bytes(std::string_view bytes);

/// The bytes that the characters stand for; nothing when one of them stands for no byte.
std::optional<std::string> bytes_of_characters(std::string_view characters);

/// The bytes in the order of their characters, which is the order of their tokens in GPT-2.
std::string bytes_in_order();

}  // namespace qkv::tokens
