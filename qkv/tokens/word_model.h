// Every part of a text is a word with a token of its own, or unknown.
#pragma once
#include <string_view>
#include <vector>

#include "qkv/tokens/vocabulary.h"

namespace qkv::tokens {

class word_model {
 public:
  word_model(vocabulary names, std::int32_t unknown) : names_(std::move(names)), unknown_(unknown) {}

  void encode(std::string_view part, std::vector<found_token>& out) const {
    out.push_back({names_.find(part).value_or(unknown_), 0, std::uint32_t(part.size())});
  }
  void append_text(std::int32_t id, std::string& text) const { text += names_.token(id); }

  const vocabulary& names() const { return names_; }
  std::int32_t unknown() const { return unknown_; }

 private:
  vocabulary names_;
  std::int32_t unknown_;
};

}  // namespace qkv::tokens
