#include "qkv/models/bag_of_words.h"

#include "qkv/autograd/loss.h"
#include "qkv/autograd/rows.h"
#include "qkv/autograd/views.h"
#include "qkv/models/config_sizes.h"

namespace qkv {

void check(const bag_of_words_config& c) {
  need_sizes("bag_of_words", {{"vocabulary", c.vocabulary},
                              {"classes", c.classes},
                              {"width", c.width},
                              {"hidden", c.hidden_width()}});
}

bag_of_words::bag_of_words(const bag_of_words_config& config, std::uint64_t seed)
    : bag_of_words(config, nn::initialisation(seed)) {}

bag_of_words::bag_of_words(const bag_of_words_config& c, nn::initialisation init) : config_(c) {
  check(c);
  init.deviation = 0.1;
  tokens_ = nn::embedding(c.vocabulary, c.width, init);
  init.deviation = nn::glorot(c.width, c.hidden_width());
  feed_forward_ = nn::feed_forward(nn::feed_forward_kind::gelu, c.width, c.hidden_width(), true, init, init.deviation);
  head_ = nn::linear(c.width, c.classes, true, init, nn::glorot(c.width, c.classes));
}

variable bag_of_words::squashed(const packed_tokens& tokens) const {
  for (long b = 0; b < tokens.sequences(); ++b)
    if (tokens.offsets[std::size_t(b)] == tokens.offsets[std::size_t(b) + 1])
      refuse("bag_of_words", "at least one token in every sequence", "none in number " + std::to_string(b));
  return segment_mean(reshape(tokens_(tokens.ids), {tokens.tokens(), config_.width}), tokens.offsets);
}

variable bag_of_words::logits(const packed_tokens& tokens) const {
  const variable x = squashed(tokens);
  return head_(feed_forward_(x, x));
}

variable bag_of_words::loss(const packed_tokens& tokens, const tensor& targets) const {
  return cross_entropy(logits(tokens), targets);
}

}  // namespace qkv
