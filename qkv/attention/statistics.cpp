#include "qkv/attention/statistics.h"

#include <algorithm>

#include "qkv/attention/passes.h"
#include "qkv/attention/readable.h"
#include "qkv/attention/statistics_kernel.h"
#include "qkv/attention/without_values.h"

namespace qkv {
namespace {

constexpr const char* operation = "attention statistics";
constexpr long most_pieces = 16, most_top = 64;

/// One number array for each (sequence, head, group), added up in order of groups.
class partial_sums {
 public:
  partial_sums(bool wanted, long owners, long groups, long size)
      : owners_(owners), groups_(groups), size_(size), values_(wanted ? owners * groups * size : 0) {}
  float* of(long owner, long group) { return values_.empty() ? nullptr : values_.data() + (owner * groups_ + group) * size_; }
  /// to(owner, index, sum)
  void reduce(auto to) const {
    for (long owner = 0; owner < owners_ && !values_.empty(); ++owner)
      for (long n = 0; n < size_; ++n) {
        float sum = 0;
        for (long g = 0; g < groups_; ++g) sum += values_[(owner * groups_ + g) * size_ + n];
        to(owner, n, sum);
      }
  }

 private:
  long owners_, groups_, size_;
  std::vector<float> values_;
};

class statistics_pass {
 public:
  statistics_pass(const formula& f, const problem& x, const statistics_request& ask)
      : formula_(f), x_(x), ask_(ask), B_(x.q.sizes[0]), T_(x.q.sizes[1]), H_(x.q.sizes[2]), S_(x.k.sizes[1]) {
    list_sequences(x, sequences_);
    for (const sequence& s : sequences_) longest_ = std::max(longest_, s.queries + s.keys);
    if (ask_.map) {
      down_ = ask_.map_rows > 0 ? ask_.map_rows : ask_.map->rows;
      across_ = ask_.map_columns > 0 ? ask_.map_columns : ask_.map->keys;
    }
    check_request();
  }

  attention_statistics run() {
    const long owners = long(sequences_.size()) * H_, groups = owners == 0 ? 1 : std::max(1L, most_pieces / owners);
    partial_sums received(ask_.received, owners, groups, S_ + 64), distances(ask_.distances, owners, groups, longest_ + 64),
        detected(!ask_.tokens.empty(), owners, groups, 3), map(ask_.map.has_value(), owners, groups, down_ * across_);
    make_results();
    workspace& w = kept_workspace();
    const prepared_problem prepared = prepare(formula_, x_, w.inside());
    visit_queries(formula_, x_, prepared, groups, [&](const forward_work& scores, const sequence& s, long group) {
      const long owner = (&s - w.inside().forward_plan.sequences.data()) * H_ + scores.where.head;
      statistics_work work = results_of(scores, s);
      work.received = received.of(owner, group);
      work.distances = distances.of(owner, group);
      work.detected = detected.of(owner, group);
      if (ask_.map) work.map = {ask_.map->row, ask_.map->rows, ask_.map->key, ask_.map->keys, down_, across_, map.of(owner, group)};
      statistics_kernels_now().query_block(work);
    }, w.inside());
    finish(received, distances, detected, map);
    return std::move(result_);
  }

 private:
  void check_request() const {
    if (ask_.top < 0 || ask_.top > most_top)
      refuse(operation, "top from 0 to " + std::to_string(most_top), std::to_string(ask_.top));
    if (!ask_.tokens.empty() && long(ask_.tokens.size()) != B_ * S_)
      refuse(operation, "tokens [B, S], " + std::to_string(B_ * S_) + " of them", std::to_string(ask_.tokens.size()));
    if (ask_.shares && (ask_.shares->shape() != shape{B_, T_} || ask_.shares->type() != dtype::float32))
      refuse(operation, "shares " + to_string(shape{B_, T_}) + " in float32", to_string(ask_.shares->shape()));
    if (!ask_.map) return;
    const link_rectangle& r = *ask_.map;
    if (r.row < 0 || r.rows < 1 || r.row + r.rows > T_ || r.key < 0 || r.keys < 1 || r.key + r.keys > S_)
      refuse(operation, "a rectangle of links within " + std::to_string(T_) + " queries x " + std::to_string(S_) + " keys",
             "rows " + std::to_string(r.row) + " + " + std::to_string(r.rows) + ", keys " + std::to_string(r.key) + " + " +
                 std::to_string(r.keys));
    if (down_ > r.rows || across_ > r.keys)
      refuse(operation, "no more cells than links in the rectangle", std::to_string(down_) + " x " + std::to_string(across_));
  }

  void make_results() {
    const long N = long(sequences_.size());
    const auto a_row = [&] { return tensor::full({B_, T_, H_}, 0); };
    result_.lse = tensor::full({B_, T_, H_}, -std::numeric_limits<double>::infinity());
    if (ask_.entropy) result_.entropy = a_row();
    if (ask_.maximum) result_.maximum = a_row();
    if (ask_.received) result_.received = tensor({B_, S_, H_});
    if (ask_.top > 0) {
      result_.top_keys = tensor::full({B_, T_, H_, ask_.top}, -1, dtype::int32);
      result_.top_weights = tensor({B_, T_, H_, ask_.top});
    }
    if (ask_.distances) result_.distances = tensor({N, H_, std::max(0L, T_ + S_ - 1)});
    if (!ask_.tokens.empty()) result_.detected = tensor({N, H_, 3});
    if (ask_.map) result_.map = tensor({N, H_, down_, across_});
    if (ask_.shares) shares_ = ask_.shares->to_contiguous();
  }

  statistics_work results_of(const forward_work& scores, const sequence& s) {
    const long first = (s.row * T_ + s.q0 + scores.where.row) * H_ + scores.where.head;
    const auto at = [&](tensor& t) { return t.empty() ? nullptr : t.data<float>() + first; };
    return {.scores = &scores,
            .row_stride = H_,
            .level = at(result_.lse),
            .entropy = at(result_.entropy),
            .maximum = at(result_.maximum),
            .top = ask_.top,
            .top_keys = ask_.top > 0 ? result_.top_keys.data<std::int32_t>() + first * ask_.top : nullptr,
            .top_weights = ask_.top > 0 ? result_.top_weights.data<float>() + first * ask_.top : nullptr,
            .shares = ask_.shares ? shares_.data<float>() + s.row * T_ + s.q0 + scores.where.row : nullptr,
            .share_stride = 1,
            .received = nullptr,
            .distances = nullptr,
            .tokens = ask_.tokens.empty() ? nullptr : ask_.tokens.data() + s.row * S_ + s.k0,
            .detected = nullptr,
            .map = {},
            .dense = nullptr};
  }

  void finish(const partial_sums& received, const partial_sums& distances, const partial_sums& detected,
              const partial_sums& map) {
    const auto of = [&](long owner) -> const sequence& { return sequences_[owner / H_]; };
    received.reduce([&](long owner, long n, float sum) {
      const sequence& s = of(owner);
      if (n < s.keys) result_.received.data<float>()[(s.row * S_ + s.k0 + n) * H_ + owner % H_] = sum;
    });
    // A shorter sequence's distances stand where the same distances of the longest would.
    distances.reduce([&](long owner, long n, float sum) {
      const sequence& s = of(owner);
      if (n < s.queries + s.keys - 1)
        result_.distances.data<float>()[owner * (T_ + S_ - 1) + n + T_ - s.queries] = sum / float(s.queries);
    });
    detected.reduce([&](long owner, long n, float sum) {
      result_.detected.data<float>()[owner * 3 + n] = of(owner).queries > 0 ? sum / float(of(owner).queries) : 0;
    });
    map.reduce([&](long owner, long n, float sum) {
      const auto size = [](long cell, long links, long cells) {  // links of a cell: those with link * cells / links == cell
        return ((cell + 1) * links + cells - 1) / cells - (cell * links + cells - 1) / cells;
      };
      const long links = size(n / across_, ask_.map->rows, down_) * size(n % across_, ask_.map->keys, across_);
      result_.map.data<float>()[owner * down_ * across_ + n] = sum / float(links);
    });
  }

  const formula& formula_;
  const problem& x_;
  const statistics_request& ask_;
  const long B_, T_, H_, S_;
  long longest_ = 0, down_ = 0, across_ = 0;
  std::vector<sequence> sequences_;
  tensor shares_;
  attention_statistics result_;
};

}  // namespace

attention_statistics statistics_with(const formula& f, const tensor& q, const tensor& k, const statistics_request& ask,
                                     alignment align, const sequences& ragged) {
  const problem x = without_values(operation, f, q, k, align, ragged);
  return statistics_pass(f, x, ask).run();
}

}  // namespace qkv
