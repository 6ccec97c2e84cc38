#include "qkv/models/recurrent_translator.h"

#include <numeric>

#include "qkv/autograd/loss.h"
#include "qkv/autograd/rows.h"
#include "qkv/autograd/views.h"
#include "qkv/models/recurrent_translator_state.h"

namespace qkv {
namespace {

nn::linear layer(long from, long to, nn::initialisation& init) {
  return nn::linear(from, to, true, init, nn::glorot(from, to));
}

attention_parts parts_for(const recurrent_translator_config& c, nn::initialisation& init) {
  if (c.alignment != alignment_kind::additive && c.alignment != alignment_kind::concat)
    return make_attention_parts(scale(1));
  return with_everything_learned(make_attention_parts(additive(init.normal({c.units}, nn::glorot(c.units, 1)))));
}

/// Which sequence each row of a packed batch belongs to.
tensor sequence_of_rows(std::span<const long> offsets) {
  std::vector<std::int32_t> rows;
  for (std::size_t b = 0; b + 1 < offsets.size(); ++b)
    rows.insert(rows.end(), std::size_t(offsets[b + 1] - offsets[b]), std::int32_t(b));
  const long count = long(rows.size());
  return tensor({count}, std::move(rows));
}

tensor rows_of(std::vector<std::int32_t> rows) {
  const long count = long(rows.size());
  return tensor({count}, std::move(rows));
}

variable as_rows(const variable& x) { return reshape(x, {x.dim(0) * x.dim(1), x.dim(2)}); }

/// The states that have read the whole text, from one end or from both.
variable summary_of(const std::vector<recurrent_ends>& last, bool bidirectional) {
  if (!bidirectional) return last.back().state;
  const variable both[] = {last[last.size() - 2].state, last.back().state};
  return concatenate(both, 1);
}

std::vector<long> counting(long count) {
  std::vector<long> numbers(std::size_t(count) + 1);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

recurrent_translator::recurrent_translator(const recurrent_translator_config& config, std::uint64_t seed)
    : recurrent_translator(config, nn::initialisation(seed)) {}
recurrent_translator::recurrent_translator(const recurrent_translator_config& config)
    : recurrent_translator(config, nn::initialisation::of_zeros()) {}

recurrent_translator::recurrent_translator(const recurrent_translator_config& c, nn::initialisation init) : config_(c) {
  check(c);
  const long seen = c.memory_width();
  init.deviation = 0.1;
  source_tokens_ = nn::embedding(c.source_vocabulary, c.width, init);
  target_tokens_ = nn::embedding(c.target_vocabulary, c.width, init);
  encoder_ = nn::recurrent({.cell = c.cell,
                            .width = c.width,
                            .units = c.units,
                            .layers = c.layers,
                            .bidirectional = c.bidirectional,
                            .dropout = c.dropout},
                           init);
  bridge_ = layer(c.memory_width(), c.units, init);
  if (looks()) keys_ = layer(c.memory_width(), c.units, init);
  if (c.alignment != alignment_kind::none && c.alignment != alignment_kind::dot_product) query_ = layer(c.units, c.units, init);
  parts_ = looks() ? parts_for(c, init) : attention_parts();
  const long fed = c.width + (looks() && !looks_before() ? 0 : seen);
  decoder_ = nn::recurrent_layer(c.cell, fed, c.units, true, false, init);
  out_ = layer(c.units + seen + c.width, c.width, init);
  for (nn::dropout& dropout : embedding_dropout_) dropout = nn::dropout(c.dropout, init);
  out_dropout_ = nn::dropout(c.dropout, init);
}

std::string recurrent_translator::in_words() const {
  constexpr const char* looking[] = {"without alignment", "additive alignment", "dot alignment", "general alignment",
                                     "concat alignment"};
  return std::string(name_of(config_.cell)) + " of " + std::to_string(config_.units) + " units, " +
         (config_.bidirectional ? "reading from both ends, " : "") + looking[std::size_t(config_.alignment)] +
         ", width " + std::to_string(config_.width);
}

recurrent_translator::memory recurrent_translator::read(const packed_tokens& source,
                                                        const nn::forward_mode& mode) const {
  if (source.longest() > config_.context) {
    refuse("recurrent_translator", "a source of at most " + std::to_string(config_.context) + " tokens",
           std::to_string(source.longest()));
  }
  const variable x = embedding_dropout_[0](as_rows(source_tokens_(source.ids)), mode);
  auto reading = encoder_(x, source.offsets, mode);
  memory all{reading.states, {}, summary_of(reading.last, config_.bidirectional), source.offsets};
  if (looks()) all.keys = keys_(all.states);
  return all;
}

variable recurrent_translator::look(const variable& states, const variable& keys, const variable& values,
                                    std::vector<long> queries, std::vector<long> sources) const {
  const variable q = query_.weight.empty() ? states : query_(states);
  const auto one_head = [](const variable& x) { return reshape(x, {1, x.dim(0), 1, x.dim(1)}); };
  attention_parts parts = parts_;
  parts.ragged = packed(std::move(queries), std::move(sources));
  const variable found = attention(one_head(q), one_head(keys), one_head(values), parts);
  return reshape(found, {states.dim(0), values.dim(1)});
}

variable recurrent_translator::outcome(const variable& states, const variable& contexts, const variable& heard,
                                       const nn::forward_mode& mode) const {
  const variable seen[] = {states, contexts, heard};
  return out_dropout_(tanh(out_(concatenate(seen, 1))), mode);
}

/// Where no step needs what the one before it saw, all of them are one call.
recurrent_translator::steps recurrent_translator::all_at_once(const variable& heard, const memory& from,
                                                              std::span<const long> offsets) const {
  const recurrent_ends start = beginning(from.summary);
  if (!looks()) {
    const variable contexts = gather_rows(from.summary, sequence_of_rows(offsets));
    const variable fed[] = {heard, contexts};
    return {decoder_(concatenate(fed, 1), offsets, start).states, contexts};
  }
  const variable states = decoder_(heard, offsets, start).states;
  return {states, look(states, from.keys, from.states, {offsets.begin(), offsets.end()}, from.offsets)};
}

/// Bahdanau's decoder: what a step sees depends on the state before it.  Pairs are in falling order of their lengths, so
/// that those that still run are the first ones.
recurrent_translator::steps recurrent_translator::one_by_one(const variable& heard, const memory& from,
                                                             std::span<const long> offsets) const {
  const auto length = [&](long b) { return offsets[std::size_t(b) + 1] - offsets[std::size_t(b)]; };
  recurrent_ends now = beginning(from.summary);
  std::vector<variable> states, contexts;
  std::vector<std::int32_t> back(std::size_t(heard.dim(0)));  // row of the outcome, for each token heard
  long live = long(offsets.size()) - 1, done = 0;
  for (long t = 0; t < length(0); ++t) {
    while (length(live - 1) <= t) --live;
    std::vector<std::int32_t> rows;
    for (long b = 0; b < live; ++b) {
      rows.push_back(std::int32_t(offsets[std::size_t(b)] + t));
      back[std::size_t(rows.back())] = std::int32_t(done++);
    }
    now.state = slice(now.state, 0, 0, live);
    if (!now.cell.empty()) now.cell = slice(now.cell, 0, 0, live);
    const std::vector<long> sources(from.offsets.begin(), from.offsets.begin() + live + 1);
    const variable found = look(now.state, slice(from.keys, 0, 0, sources.back()),
                                slice(from.states, 0, 0, sources.back()), counting(live), sources);
    const variable fed[] = {gather_rows(heard, rows_of(std::move(rows))), found};
    auto step = decoder_(concatenate(fed, 1), counting(live), now);
    states.push_back(step.states);
    contexts.push_back(found);
    now = std::move(step.last);
  }
  const tensor order = rows_of(std::move(back));
  return {gather_rows(concatenate(states, 0), order), gather_rows(concatenate(contexts, 0), order)};
}

variable recurrent_translator::loss(const text_pairs& given, double smoothing, const nn::forward_mode& mode) const {
  const text_pairs pairs = looks_before() ? longest_first(given) : given;
  const memory from = read(pairs.source, mode);
  const variable heard = embedding_dropout_[1](as_rows(target_tokens_(pairs.heard.ids)), mode);
  const auto& offsets = pairs.heard.offsets;
  const steps said = looks_before() ? one_by_one(heard, from, offsets) : all_at_once(heard, from, offsets);
  const variable last = outcome(said.states, said.contexts, heard, mode);
  return linear_cross_entropy(last, target_tokens_.weight, pairs.targets.reshape({pairs.targets.size()}),
                              {.smoothing = smoothing});
}

std::unique_ptr<translation_state> recurrent_translator::start(const packed_tokens& sources, long longest) const {
  if (longest > config_.context) {
    refuse("recurrent_translator", "a translation of at most " + std::to_string(config_.context) + " tokens",
           std::to_string(longest));
  }
  return std::make_unique<recurrent_translator_state>(*this, sources);
}

std::vector<tensor> recurrent_translator::alignments(const text_pairs& pair) const {
  if (!looks()) return {};
  recurrent_translator_state state(*this, pair.source);
  const long heard = pair.heard.tokens(), read = pair.source.tokens();
  const tensor weights({1, heard, read});
  for (long t = 0; t < heard; ++t) {
    const std::int32_t token = pair.heard.ids.at<std::int32_t>(0, t);
    state.next(std::span(&token, 1));
    weights.select(0, 0).slice(0, t, t + 1).copy_from(state.weights());
  }
  return {weights};
}

}  // namespace qkv
