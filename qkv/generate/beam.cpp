#include "qkv/generate/beam.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "qkv/kernels/softmax.h"

namespace qkv {

beam::beam(std::vector<long> longest, const translation_options& options)
    : options_(options), longest_(std::move(longest)) {
  constexpr double worst = -std::numeric_limits<double>::infinity();
  for (std::size_t text = 0; text < longest_.size(); ++text) {
    live_.push_back({long(text), {}, 0});
    best_.push_back({{}, worst, worst, false});
  }
}

std::vector<std::int32_t> beam::last_tokens() const {
  std::vector<std::int32_t> last;
  for (const hypothesis& h : live_) last.push_back(h.tokens.empty() ? options_.begin : h.tokens.back());
  return last;
}

std::vector<long> beam::texts() const {
  std::vector<long> texts;
  for (const hypothesis& h : live_) texts.push_back(h.text);
  return texts;
}

double beam::score(double log_probability, long length) const {
  return log_probability / std::pow(double(length), options_.length_penalty);
}

// A hypothesis cannot get likelier, and its score is best at the greatest length.
bool beam::can_still_win(long text, double log_probability) const {
  return score(log_probability, longest_[std::size_t(text)]) > best_[std::size_t(text)].score;
}

void beam::end(const hypothesis& h, double log_probability, bool ended) {
  translation& best = best_[std::size_t(h.text)];
  const double reached = score(log_probability, long(h.tokens.size()) + 1);
  if (reached > best.score || best.score == -std::numeric_limits<double>::infinity())
    best = {h.tokens, log_probability, reached, ended};
}

/// The likeliest 2 * beam continuations of hypotheses first .. first + count: enough that `beam` of them do not end.
std::vector<beam::step> beam::candidates(const tensor& logits, long first, long count) const {
  const long classes = logits.dim(1), of_a_row = std::min(2 * options_.beam, classes);
  std::vector<step> all;
  std::vector<std::int32_t> order;
  for (long row = first; row < first + count; ++row) {
    const float* numbers = logits.select(0, row).data<float>();
    const double normaliser = softmax_rows_now().log_sum_exp(numbers, classes);
    order.resize(std::size_t(classes));
    for (long i = 0; i < classes; ++i) order[std::size_t(i)] = std::int32_t(i);
    const auto likelier = [&](std::int32_t a, std::int32_t b) {
      return numbers[a] != numbers[b] ? numbers[a] > numbers[b] : a < b;
    };
    std::partial_sort(order.begin(), order.begin() + of_a_row, order.end(), likelier);
    for (long i = 0; i < of_a_row; ++i) {
      const std::int32_t token = order[std::size_t(i)];
      all.push_back({row, token, live_[std::size_t(row)].log_probability + double(numbers[token]) - normaliser});
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const step& a, const step& b) { return a.log_probability > b.log_probability; });
  all.resize(std::min(all.size(), std::size_t(2 * options_.beam)));
  return all;
}

std::vector<long> beam::advance(const tensor& logits) {
  std::vector<hypothesis> next;
  std::vector<long> parents;
  const long rows = long(live_.size());
  for (long first = 0, after = 0; first < rows; first = after) {
    const long text = live_[std::size_t(first)].text;
    for (after = first; after < rows && live_[std::size_t(after)].text == text;) ++after;
    const long length = long(live_[std::size_t(first)].tokens.size()) + 1;
    const auto steps = candidates(logits, first, after - first);
    // Ends first: only then is it known which of the others are worth following.
    for (std::size_t i = 0; i < std::min(steps.size(), std::size_t(options_.beam)); ++i)
      if (steps[i].token == options_.end) end(live_[std::size_t(steps[i].row)], steps[i].log_probability, true);
    long kept = 0;
    for (const step& s : steps) {
      if (s.token == options_.end || kept == options_.beam) continue;
      ++kept;
      hypothesis h{text, live_[std::size_t(s.row)].tokens, s.log_probability};
      h.tokens.push_back(s.token);
      if (length == longest_[std::size_t(text)]) {
        if (!best_[std::size_t(text)].ended) end(h, s.log_probability, false);
      } else if (can_still_win(text, s.log_probability)) {
        next.push_back(std::move(h));
        parents.push_back(s.row);
      }
    }
  }
  live_ = std::move(next);
  return parents;
}

}  // namespace qkv
