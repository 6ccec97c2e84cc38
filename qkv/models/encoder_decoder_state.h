// Translations under way, by an encoder-decoder: its keys and values of the source, made once, and those of what each
// hypothesis has said.  Internal to this room.
#pragma once
#include "qkv/models/encoder_decoder.h"

namespace qkv {

///   R hypotheses   B sources   N source tokens in all
class encoder_decoder_state : public translation_state {
 public:
  encoder_decoder_state(const encoder_decoder& model, const packed_tokens& sources, long longest);

  tensor next(std::span<const std::int32_t> tokens) override;
  void choose(std::span<const long> rows, std::span<const long> sources) override;

 private:
  /// Hypothesis r as query r of its source: all of one source stand side by side.
  sequences links() const;

  const encoder_decoder& model_;
  std::vector<long> source_offsets_;
  std::vector<long> row_source_;             // [R]: which source each hypothesis translates
  std::vector<nn::memory_links> memory_;     // of each decoder layer
  std::vector<nn::key_value_cache> caches_;  // of each decoder layer
};

}  // namespace qkv
