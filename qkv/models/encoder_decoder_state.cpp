#include "qkv/models/encoder_decoder_state.h"

#include "qkv/autograd/linear.h"

namespace qkv {

encoder_decoder_state::encoder_decoder_state(const encoder_decoder& model, const packed_tokens& sources, long longest)
    : model_(model), source_offsets_(sources.offsets) {
  const no_gradient values_only;
  for (long b = 0; b < sources.sequences(); ++b) row_source_.push_back(b);
  const variable memory = model.encode(sources, {});
  for (const nn::cross_block& block : model.decoder_) {
    memory_.push_back(block.cross.memory_of(memory));
    caches_.emplace_back(sources.sequences(), longest, block.attention.heads.key_heads, block.attention.heads.width);
  }
}

sequences encoder_decoder_state::links() const {
  std::vector<long> rows(source_offsets_.size(), 0);
  for (const long source : row_source_) ++rows[std::size_t(source) + 1];
  for (std::size_t b = 1; b < rows.size(); ++b) rows[b] += rows[b - 1];
  return packed(std::move(rows), source_offsets_);
}

// To the tokens' own layers a hypothesis is a sequence of the batch, [R, 1, C]; to the memory it is one query of many,
// [1, R, C], and the hypotheses of one source share its keys.
tensor encoder_decoder_state::next(std::span<const std::int32_t> tokens) {
  const no_gradient values_only;
  const long rows = long(row_source_.size());
  if (long(tokens.size()) != rows) {
    refuse("translation", "a token of each of the " + std::to_string(rows) + " hypotheses",
           std::to_string(tokens.size()));
  }
  const tensor ids({rows, 1}, std::vector<std::int32_t>(tokens.begin(), tokens.end()));
  const tensor positions = tensor::full({rows, 1}, double(caches_.front().length()), dtype::int32);
  variable x = model_.embed(model_.target_tokens_, ids, positions, {});
  const sequences to_source = links();
  for (std::size_t i = 0; i < caches_.size(); ++i) {
    x = model_.decoder_[i].continued(x, memory_[i], caches_[i], to_source);
  }
  const variable last = model_.last_norm(model_.decoder_norm_, x);
  return linear(variable(last.value().reshape({rows, model_.config_.width})), model_.head()).value();
}

void encoder_decoder_state::choose(std::span<const long> rows, std::span<const long> sources) {
  for (nn::key_value_cache& cache : caches_) cache.choose(rows);
  row_source_.assign(sources.begin(), sources.end());
}

}  // namespace qkv
