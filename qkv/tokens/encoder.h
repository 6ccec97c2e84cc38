// The path of a text to its tokens: special tokens, form, cuts, model.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qkv/tokens/tokenizer.h"
#include "qkv/tokens/tokenizer_parts.h"

namespace qkv::tokens {

/// Encodes text after text for one thread, and remembers the parts that it has seen: most words come often.
class encoder {
 public:
  explicit encoder(const tokenizer_parts& parts, markers how) : parts_(parts), how_(how) {}

  /// Appends the tokens of a text, and their places in it unless `places` is null.
  void encode(std::string_view text, std::vector<std::int32_t>& tokens, std::vector<byte_range>* places);

 private:
  const added_token* added_at(std::string_view text) const;
  void encode_between(std::string_view text, std::size_t begin, std::size_t end);
  void find_tokens(std::string_view part);

  struct remembered {
    std::size_t first, count;
  };
  struct hash_of_text {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  const tokenizer_parts& parts_;
  markers how_;
  std::vector<std::int32_t>* tokens_ = nullptr;
  std::vector<byte_range>* places_ = nullptr;
  std::vector<part> cuts_, scratch_;
  std::vector<found_token> found_;
  std::unordered_map<std::string, remembered, hash_of_text, std::equal_to<>> known_;
  std::vector<found_token> known_tokens_;
};

}  // namespace qkv::tokens
