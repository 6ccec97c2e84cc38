// Tokens by number and numbers by token.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qkv::tokens {

/// Token i is the string at place i.  It can be moved, not copied: the index points into the strings.
class vocabulary {
 public:
  /// Throws shape_error when a token is there twice.
  explicit vocabulary(std::vector<std::string> tokens);
  vocabulary(vocabulary&&) = default;
  vocabulary& operator=(vocabulary&&) = default;

  std::int32_t size() const { return std::int32_t(tokens_.size()); }
  const std::string& token(std::int32_t id) const { return tokens_[std::size_t(id)]; }
  const std::vector<std::string>& tokens() const { return tokens_; }
  std::optional<std::int32_t> find(std::string_view token) const;

 private:
  std::vector<std::string> tokens_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
};

/// A token that stands for bytes begin .. end-1 of the part in which it was found.
struct found_token {
  std::int32_t id;
  std::uint32_t begin, end;
};

/// The tokens <0x00> to <0xFF>, which stand for single bytes of characters that a vocabulary does not know.
std::string name_of_byte(unsigned char byte);
std::optional<unsigned char> byte_of_name(std::string_view token);

}  // namespace qkv::tokens
