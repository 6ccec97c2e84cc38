// Byte-pair encoding: a part of a text starts as single bytes or characters, and learned pairs are merged, the pair
// that was learned first before all others, until no learned pair is left. Source: Sennrich et al. 2016, algorithm 1;
// on bytes: Radford et al. 2019, section 2.2.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "qkv/tokens/pair_table.h"
#include "qkv/tokens/vocabulary.h"

namespace qkv::tokens {

/// Two tokens that become one.  Of several merges of the same two tokens the last one counts.
struct merge {
  std::int32_t left, right, result;
};

struct bpe_settings {
  bool of_bytes = true;                 ///< starts from bytes; else from characters
  std::optional<std::int32_t> unknown;  ///< stands for a byte or character without a token; none: that is refused
  bool fuse_unknown = false;            ///< one unknown token for a run of them
  bool byte_fallback = false;           ///< characters without a token become <0x..> tokens, one a byte
  bool whole_parts_first = false;       ///< a part that is a token itself stays whole (Hugging Face: ignore_merges)
};

class bpe_model {
 public:
  /// @param names  tokens as files name them: with `of_bytes` in the characters that stand for bytes
  bpe_model(vocabulary names, std::vector<merge> merges, const bpe_settings& settings);

  /// Appends the tokens of one part.  Cost: O(n log n) for n bytes.
  /// Throws shape_error for a byte or character without a token where there is no token for unknown ones.
  void encode(std::string_view part, std::vector<found_token>& out) const;

  /// Appends the bytes that a token stands for.
  void append_text(std::int32_t id, std::string& text) const { text += bytes_[std::size_t(id)]; }

  const vocabulary& names() const { return names_; }
  const std::vector<merge>& merges() const { return merges_; }
  const bpe_settings& settings() const { return settings_; }

 private:
  void start(std::string_view part, std::vector<found_token>& out) const;
  void start_from_bytes(std::string_view part, std::vector<found_token>& out) const;
  void start_from_characters(std::string_view part, std::vector<found_token>& out) const;
  void add_unknown(std::string_view part, found_token unknown, bool after_unknown, std::vector<found_token>& out) const;

  vocabulary names_;
  std::vector<std::string> bytes_;  // what each token stands for
  std::vector<merge> merges_;
  bpe_settings settings_;
  pair_table ranks_;                               // place in merges_ of a pair
  std::array<std::int32_t, 256> token_of_byte_{};  // -1: none
};

}  // namespace qkv::tokens
