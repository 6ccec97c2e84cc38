// Translations under way, by a recurrent translator.  Internal to this room.
#pragma once
#include "qkv/models/recurrent_translator.h"

namespace qkv {

/// The same pairs, those that are heard longest first.
text_pairs longest_first(const text_pairs& pairs);

///   R hypotheses   B sources
class recurrent_translator_state : public translation_state {
 public:
  recurrent_translator_state(const recurrent_translator& model, const packed_tokens& sources);

  tensor next(std::span<const std::int32_t> tokens) override;
  void choose(std::span<const long> rows, std::span<const long> sources) override;

  /// How the one hypothesis of one source looked at it in the latest next(): [1, S].
  tensor weights() const;

 private:
  variable look(const variable& states) const;
  std::vector<long> queries() const;

  const recurrent_translator& model_;
  recurrent_translator::memory from_;
  std::vector<long> row_source_;
  recurrent_state now_;  // [R, U]
  variable looking_;     // the states that looked last
};

}  // namespace qkv
