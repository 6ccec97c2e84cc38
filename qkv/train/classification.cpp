#include "qkv/train/classification.h"

#include <algorithm>
#include <numeric>

#include "qkv/base/threads.h"
#include "qkv/train/data_order.h"
#include "qkv/train/streams.h"

namespace qkv {
namespace {

tensor as_tensor(std::vector<std::int32_t> targets) {
  const long count = long(targets.size());
  return {{count}, std::move(targets)};
}

}  // namespace

classification_task::classification_task(const encoder_classifier& model, const labelled_examples& learn,
                                         const labelled_examples& validate, const training_options& options)
    : model_(model),
      learn_(learn),
      validate_(validate),
      smoothing_(options.label_smoothing),
      batch_(options.batch),
      seed_(options.seed) {
  for (const labelled_examples* examples : {&learn, &validate})
    if (examples->size() == 0) refuse("classification", "examples to learn from, and to validate on", "none");
}

// Example number n of a run is at place n of the epochs' orders, one behind the other.
long classification_task::place_of(std::uint64_t number) const {
  const auto size = std::uint64_t(learn_.size());
  const long epoch = long(number / size);
  if (epoch != kept_epoch_) {
    order_.resize(size);
    std::iota(order_.begin(), order_.end(), 0);
    shuffle(order_, {seed_, streams::data_order + (std::uint64_t(epoch) << 8)});
    kept_epoch_ = epoch;
  }
  return order_[number % size];
}

batch_loss classification_task::loss(long number, const nn::forward_mode& mode) const {
  const std::uint64_t first = std::uint64_t(number) * std::uint64_t(batch_);
  std::vector<long> places;
  std::vector<std::int32_t> targets;
  for (long i = 0; i < batch_; ++i) {
    places.push_back(place_of(first + std::uint64_t(i)));
    targets.push_back(learn_.target(places.back()));
  }
  std::vector<encoder_example> examples(places.size());
  parallel_for(batch_, [&](long i, int) {
    examples[std::size_t(i)] =
        learn_.changed(places[std::size_t(i)], {seed_, streams::changes}, first + std::uint64_t(i));
  });
  return {model_.loss(model_.join(examples), as_tensor(std::move(targets)), smoothing_, mode), batch_};
}

double classification_task::validation_loss(long batches) const {
  return tested(model_, validate_, batches * batch_).loss;
}

double classification_task::epochs_at(long number) const {
  return double(number) * double(batch_) / double(learn_.size());
}

classification_score tested(const encoder_classifier& model, const labelled_examples& examples, long count,
                            const std::function<void(long)>& on_done) {
  constexpr long at_once = 64;
  count = count > 0 ? std::min(count, examples.size()) : examples.size();
  classification_score all{0, 0, tensor({model.config().classes, model.config().classes}, dtype::int32)};
  const no_gradient values_only;
  for (long from = 0; from < count; from += at_once) {
    const long batch = std::min(at_once, count - from);
    std::vector<encoder_example> these;
    these.resize(std::size_t(batch));
    parallel_for(batch, [&](long i, int) { these[std::size_t(i)] = examples.example(from + i); });
    const tensor logits = model.logits(model.join(these)).value();
    std::vector<std::int32_t> targets;
    for (long i = 0; i < batch; ++i) {
      const auto row = logits.select(0, i).values<float>();
      targets.push_back(examples.target(from + i));
      all.confusion.at<std::int32_t>(targets.back(), std::ranges::max_element(row) - row.begin()) += 1;
    }
    all.loss += cross_entropy(logits, as_tensor(std::move(targets))).loss * double(batch);
    if (on_done) on_done(from + batch);
  }
  for (long k = 0; k < model.config().classes; ++k) all.accuracy += double(all.confusion.at<std::int32_t>(k, k));
  all.loss /= double(count), all.accuracy /= double(count);
  return all;
}

}  // namespace qkv
