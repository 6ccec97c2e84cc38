#include "qkv/train/translation_task.h"

#include <algorithm>
#include <numeric>

#include "qkv/train/data_order.h"
#include "qkv/train/streams.h"

namespace qkv {
namespace {

using texts = std::span<const std::vector<std::int32_t>>;

std::vector<std::vector<std::int32_t>> with_end(texts all, std::int32_t end) {
  std::vector<std::vector<std::int32_t>> ended(all.begin(), all.end());
  for (auto& text : ended) text.push_back(end);
  return ended;
}

}  // namespace

packed_tokens framed_sources(texts source, text_frame frame) { return pack(with_end(source, frame.end)); }

text_pairs framed(texts source, texts target, text_frame frame) {
  text_pairs pairs{framed_sources(source, frame), {}, {}};
  std::vector<std::vector<std::int32_t>> heard;
  std::vector<std::int32_t> said;
  for (const auto& text : target) {
    heard.push_back({frame.begin});
    heard.back().insert(heard.back().end(), text.begin(), text.end());
    said.insert(said.end(), text.begin(), text.end());
    said.push_back(frame.end);
  }
  pairs.heard = pack(heard);
  const long count = long(said.size());
  pairs.targets = tensor({1, count}, std::move(said));
  return pairs;
}

std::vector<std::vector<long>> batches_of_epoch(const parallel_tokens& pairs, const training_options& options,
                                                long epoch) {
  const random_stream order{options.seed, streams::data_order + (std::uint64_t(epoch) << 8)};
  std::vector<long> all(pairs.source.size());
  std::iota(all.begin(), all.end(), 0);
  shuffle(all, order);
  std::stable_sort(all.begin(), all.end(), [&](long a, long b) {
    const auto length = [&](long i) {
      return std::pair(pairs.target[std::size_t(i)].size(), pairs.source[std::size_t(i)].size());
    };
    return length(a) < length(b);
  });
  std::vector<std::vector<long>> batches;
  long tokens = 0;
  for (const long i : all) {
    const long more = long(pairs.target[std::size_t(i)].size()) + 1;
    const bool full = batches.empty() || (options.batch_tokens > 0 ? tokens + more > options.batch_tokens
                                                                   : long(batches.back().size()) == options.batch);
    if (full) batches.emplace_back(), tokens = 0;
    batches.back().push_back(i);
    tokens += more;
  }
  shuffle(batches, order, all.size());
  return batches;
}

translation_task::translation_task(const sequence_to_sequence& model, const parallel_tokens& learn,
                                   const parallel_tokens& validate, text_frame frame,
                                   const training_options& options)
    : model_(model), learn_(learn), validate_(validate), frame_(frame), options_(options) {
  for (const parallel_tokens* side : {&learn, &validate}) {
    if (side->source.size() == side->target.size()) continue;
    refuse("translation", "as many translations as texts, " + std::to_string(side->source.size()),
           std::to_string(side->target.size()));
  }
  if (learn.source.empty()) refuse("translation", "at least one pair of texts to learn from", "none");
}

const std::vector<std::vector<long>>& translation_task::epoch(long number) const {
  if (kept_epoch_ != number) kept_ = batches_of_epoch(learn_, options_, kept_epoch_ = number);
  return kept_;
}

translation_task::place translation_task::place_of(long number) const {
  while (first_batch_.back() <= number) {
    const long next = long(first_batch_.size()) - 1;
    first_batch_.push_back(first_batch_.back() + long(epoch(next).size()));
  }
  const auto after = std::upper_bound(first_batch_.begin(), first_batch_.end(), number);
  const long which = long(after - first_batch_.begin()) - 1;
  return {which, number - first_batch_[std::size_t(which)]};
}

text_pairs translation_task::pairs_of(const parallel_tokens& from, std::span<const long> which) const {
  std::vector<std::vector<std::int32_t>> source, target;
  for (const long i : which) {
    source.push_back(from.source[std::size_t(i)]);
    target.push_back(from.target[std::size_t(i)]);
  }
  return framed(source, target, frame_);
}

batch_loss translation_task::loss(long number, const nn::forward_mode& mode) const {
  const auto [which, batch] = place_of(number);
  const text_pairs pairs = pairs_of(learn_, epoch(which)[std::size_t(batch)]);
  return {model_.loss(pairs, options_.label_smoothing, mode), pairs.targets.size()};
}

double translation_task::validation_loss(long batches) const {
  const no_gradient values_only;
  const auto all = batches_of_epoch(validate_, options_, 0);
  const std::size_t count = batches > 0 ? std::min(all.size(), std::size_t(batches)) : all.size();
  double sum = 0;
  long targets = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const text_pairs pairs = pairs_of(validate_, all[i]);
    sum += model_.loss(pairs, 0, {}).value().item() * double(pairs.targets.size());
    targets += pairs.targets.size();
  }
  return sum / double(targets);
}

double translation_task::epochs_at(long number) const {
  const auto [which, batch] = place_of(number);
  return double(which) + double(batch) / double(epoch(which).size());
}

long translation_task::batches_an_epoch() const { return long(epoch(0).size()); }

}  // namespace qkv
