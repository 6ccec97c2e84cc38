#include "qkv/tokens/vocabulary.h"

#include <array>
#include <charconv>
#include <cstdio>

#include "qkv/base/error.h"

namespace qkv::tokens {

vocabulary::vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  ids_.reserve(tokens_.size());
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (!ids_.emplace(tokens_[i], std::int32_t(i)).second)
      refuse("vocabulary", "every token once",
             "\"" + tokens_[i] + "\" twice, the second time as token " + std::to_string(i));
  }
}

std::optional<std::int32_t> vocabulary::find(std::string_view token) const {
  const auto place = ids_.find(token);
  return place == ids_.end() ? std::nullopt : std::optional(place->second);
}

std::string name_of_byte(unsigned char byte) {
  std::array<char, 8> name{};
  std::snprintf(name.data(), name.size(), "<0x%02X>", unsigned(byte));
  return name.data();
}

std::optional<unsigned char> byte_of_name(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  unsigned char byte = 0;
  const char* const end = token.data() + 5;
  if (const auto read = std::from_chars(token.data() + 3, end, byte, 16); read.ec != std::errc{} || read.ptr != end)
    return std::nullopt;
  return byte;
}

}  // namespace qkv::tokens
