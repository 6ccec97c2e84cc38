#include "qkv/models/recurrent_translator_state.h"

#include <algorithm>
#include <numeric>

#include "qkv/autograd/linear.h"
#include "qkv/autograd/rows.h"
#include "qkv/autograd/views.h"

namespace qkv {
namespace {

std::vector<std::vector<std::int32_t>> chosen(const tensor& ids, std::span<const long> offsets,
                                              std::span<const std::size_t> order) {
  const auto all = ids.values<std::int32_t>();
  std::vector<std::vector<std::int32_t>> texts;
  for (const std::size_t b : order) texts.emplace_back(all.begin() + offsets[b], all.begin() + offsets[b + 1]);
  return texts;
}

tensor chosen_rows(const tensor& x, std::span<const long> rows) {
  if (x.empty()) return x;
  const tensor chosen = tensor::uninitialized({long(rows.size()), x.dim(1)});
  for (std::size_t i = 0; i < rows.size(); ++i) chosen.select(0, long(i)).copy_from(x.select(0, rows[i]));
  return chosen;
}

}  // namespace

text_pairs longest_first(const text_pairs& pairs) {
  const auto& offsets = pairs.heard.offsets;
  std::vector<std::size_t> order(offsets.size() - 1);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t b) { return offsets[b + 1] - offsets[b]; });
  text_pairs sorted{pack(chosen(pairs.source.ids, pairs.source.offsets, order)),
                    pack(chosen(pairs.heard.ids, offsets, order)), {}};
  sorted.targets = pack(chosen(pairs.targets, offsets, order)).ids;
  return sorted;
}

recurrent_translator_state::recurrent_translator_state(const recurrent_translator& model, const packed_tokens& sources)
    : model_(model) {
  const no_gradient values_only;
  from_ = model.read(sources, {});
  for (long b = 0; b < sources.sequences(); ++b) row_source_.push_back(b);
  now_.state = model.beginning(from_.summary).state.value();
}

std::vector<long> recurrent_translator_state::queries() const {
  std::vector<long> rows(from_.offsets.size(), 0);
  for (const long source : row_source_) ++rows[std::size_t(source) + 1];
  std::partial_sum(rows.begin(), rows.end(), rows.begin());
  return rows;
}

variable recurrent_translator_state::look(const variable& states) const {
  if (model_.looks()) return model_.look(states, from_.keys, from_.states, queries(), from_.offsets);
  std::vector<std::int32_t> rows(row_source_.begin(), row_source_.end());
  const long count = long(rows.size());
  return gather_rows(from_.summary, tensor({count}, std::move(rows)));
}

tensor recurrent_translator_state::next(std::span<const std::int32_t> tokens) {
  const no_gradient values_only;
  const long rows = long(row_source_.size());
  if (long(tokens.size()) != rows)
    refuse("translation", "a token of each of the " + std::to_string(rows) + " hypotheses",
           std::to_string(tokens.size()));
  const variable heard = model_.target_tokens_(tensor({rows}, std::vector<std::int32_t>(tokens.begin(), tokens.end())));
  const bool after = model_.looks() && !model_.looks_before();
  variable found, fed = heard;
  if (!after) {
    looking_ = variable(now_.state);
    found = look(looking_);
    const variable both[] = {heard, found};
    fed = concatenate(both, 1);
  }
  now_ = recurrent_step(model_.decoder_.cell, fed.value(), now_, model_.decoder_.weights().values());
  if (after) looking_ = variable(now_.state), found = look(looking_);
  return linear(model_.outcome(variable(now_.state), found, heard, {}), model_.target_tokens_.weight).value();
}

void recurrent_translator_state::choose(std::span<const long> rows, std::span<const long> sources) {
  now_ = {chosen_rows(now_.state, rows), chosen_rows(now_.cell, rows)};
  row_source_.assign(sources.begin(), sources.end());
}

// Values that say which key they belong to: their blend is the weights themselves.
tensor recurrent_translator_state::weights() const {
  const no_gradient values_only;
  const long keys = from_.keys.dim(0);
  const tensor units({keys, keys});
  for (long i = 0; i < keys; ++i) units.at<float>(i, i) = 1;
  return model_.look(looking_, from_.keys, variable(units), queries(), from_.offsets).value();
}

}  // namespace qkv
