#include "qkv/generate/translate.h"

#include <algorithm>
#include <numeric>

#include "qkv/generate/beam.h"

namespace qkv {
namespace {

/// Follows one batch of texts to their ends.
std::vector<translation> translate_batch(const sequence_to_sequence& model,
                                         std::span<const std::vector<std::int32_t>> sources,
                                         const translation_options& options) {
  std::vector<std::vector<std::int32_t>> ended;
  std::vector<long> longest;
  for (const auto& source : sources) {
    ended.push_back(source);
    ended.back().push_back(options.end);
    const long enough = options.longest > 0 ? options.longest : 2 * long(source.size()) + 10;
    longest.push_back(std::min(enough, model.context()));
  }
  const auto state = model.start(pack(ended), *std::ranges::max_element(longest));
  beam search(longest, options);
  while (!search.done()) {
    const auto parents = search.advance(state->next(search.last_tokens()));
    state->choose(parents, search.texts());
  }
  return search.best();
}

}  // namespace

void check(const translation_options& o) {
  const auto need = [](bool holds, const std::string& expected, const std::string& found) {
    if (!holds) refuse("translation options", expected, found);
  };
  need(o.beam >= 1 && o.beam <= 1024, "a beam of 1 to 1024 hypotheses", std::to_string(o.beam));
  need(o.length_penalty >= 0, "a length penalty of at least 0", std::to_string(o.length_penalty));
  need(o.longest >= 0, "a longest translation of at least 0 tokens", std::to_string(o.longest));
  need(o.batch >= 1, "at least 1 text at a time", std::to_string(o.batch));
}

std::vector<translation> translate(const sequence_to_sequence& model,
                                   std::span<const std::vector<std::int32_t>> sources,
                                   const translation_options& options, const std::function<void(long)>& on_done) {
  check(options);
  std::vector<std::size_t> order(sources.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return sources[a].size() < sources[b].size(); });
  std::vector<translation> all(sources.size());
  for (std::size_t first = 0; first < order.size(); first += std::size_t(options.batch)) {
    const std::size_t after = std::min(order.size(), first + std::size_t(options.batch));
    std::vector<std::vector<std::int32_t>> batch;
    for (std::size_t i = first; i < after; ++i) batch.push_back(sources[order[i]]);
    auto done = translate_batch(model, batch, options);
    for (std::size_t i = first; i < after; ++i) all[order[i]] = std::move(done[i - first]);
    if (on_done) on_done(long(after));
  }
  return all;
}

}  // namespace qkv
