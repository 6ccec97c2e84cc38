// One program for the mask, one for all scores; similarity and weighting ready-made or programs.
#include "qkv/traced/traced_formula.h"

#include <limits>

#include "qkv/traced/activation.h"
#include "qkv/traced/interval_machine.h"

namespace qkv::traced {
namespace {

/// Scores of a tile, rows `pitch` apart, in place.  Whole registers are read and written.
template <class Number>
void run_score(const interpreted& p, const tile& t, Number* s, long pitch) {
  run<Number> m(p, t);
  m.each_block([&](const block_place& at) {
    Number* const here = s + at.row * pitch + at.key;
    m.given().score = here, m.given().score_pitch = pitch;
    m.forward();
    for (long r = 0; r < at.rows; ++r)
      if (const auto x = m.result(r); x.key_step)
        std::copy_n(x.at, m.padded_keys(), here + r * pitch);
      else
        std::fill_n(here + r * pitch, m.padded_keys(), *x.at);
  });
}

/// ds *= derivative at s; the learned ones' gradients are added to.  Where ds is 0 nothing contributes.
template <class Number>
void run_score_backward(const interpreted& p, const tile& t, const Number* s, Number* ds, long pitch,
                        std::span<Number* const> gradients) {
  run<Number> m(p, t, gradients);
  m.each_block([&](const block_place& at) {
    Number* const to = ds + at.row * pitch + at.key;
    m.given().score = s + at.row * pitch + at.key, m.given().score_pitch = pitch;
    m.forward();
    m.reverse([&](long r, long j) { return to[r * pitch + j]; });
    for (long r = 0; r < at.rows; ++r)
      if (const Number* x = m.adjoint_of(opcode::score, r))
        for (long j = 0; j < m.padded_keys(); ++j) to[r * pitch + j] = to[r * pitch + j] != 0 ? x[j] : 0;
      else
        std::fill_n(to + r * pitch, m.padded_keys(), Number(0));
  });
}

/// Shows what the result of the link at hand looks up.  What `select` leaves out may stand anywhere.
void each_demanded(const schedule& plan, const run<double>& m, auto see) {
  std::vector<bool> demanded(plan.steps.size());
  demanded[std::size_t(plan.result)] = true;
  for (int n = plan.result; n >= 0; --n) {
    if (!demanded[std::size_t(n)]) continue;
    const instruction& i = plan.steps[std::size_t(n)].what;
    see(n, i);
    const bool choice = i.code == opcode::select, first = !choice || m.first_truth(i.c);
    for (int x : {i.a, i.b, i.c})
      if (x >= 0 && !(choice && x == (first ? i.b : i.a))) demanded[std::size_t(x)] = true;
  }
}

}  // namespace

class traced_formula final : public formula {
 public:
  explicit traced_formula(traced_parts parts) : parts_(std::move(parts)) {
    if (parts_.mask) {
      check_mask(*parts_.mask);
      mask_.emplace(*parts_.mask);
    }
    if (parts_.score) {
      check_real("score", *parts_.score);
      if (parts_.score->learned_count() > int(parts_.learned.size()))
        refuse("score", std::to_string(parts_.score->learned_count()) + " learned tensors",
               std::to_string(parts_.learned.size()));
      std::vector<tensor> values;
      for (const parameter& p : parts_.learned) values.push_back(p.values.to_contiguous());
      score_.emplace(*parts_.score, std::move(values));
    }
    if (parts_.similarity.term) {
      check_real("similarity", *parts_.similarity.term);
      term_.emplace(*parts_.similarity.term);
      link_term_.emplace(*parts_.similarity.term, std::vector<tensor>(), pairing::links);
    }
    if (parts_.weighting.activation) {
      check_real("weighting", *parts_.weighting.activation);
      activation_.emplace(*parts_.weighting.activation);
    }
    list_parameters();
  }

  part_names names() const override {
    return {term_ ? "a similarity lambda" : similar().names().similarity,
            activation_ ? "a weighting lambda" : weigh().names().weighting};
  }
  const std::vector<parameter>& parameters() const override { return parameters_; }

  bool masks() const override { return mask_.has_value(); }
  coverage classify(const position<interval>& at) const override {
    return mask_ ? traced::classify(mask_->plan(), at) : coverage(true);
  }
  void keep(const tile& t, bool* to) const override {
    if (!mask_) return void(std::fill_n(to, t.rows * t.keys, true));
    run<double> m(*mask_, t);
    m.each_block([&](const block_place& at) {
      m.forward();
      for (long r = 0; r < at.rows; ++r) {
        const auto x = m.result(r);
        for (long j = 0; j < at.keys; ++j)
          std::memcpy(&to[(at.row + r) * t.keys + at.key + j], x.at + j * x.key_step, 1);
      }
    });
  }
  void tables(const tile& t, function_ref<void(const table_use&)> see) const override {
    const auto of = [&](const std::optional<interpreted>& p) {
      if (!p || p->plan().tables.empty()) return;
      at_first_link(*p, t, [&](const run<double>& m) {
        each_demanded(p->plan(), m, [&](int, const instruction& i) {
          if (i.code == opcode::table_entry)
            see({p->plan().tables[std::size_t(i.number)].shape(), m.first_whole(i.a), m.first_whole(i.b)});
        });
      });
    };
    of(mask_);
    bool kept = false;
    if (score_) keep(first_link(t), &kept);
    if (kept) of(score_);
  }
  void keep(const tile& t, std::int32_t* to, long pitch) const override {
    if (!mask_) {
      for (long r = 0; r < t.rows; ++r) std::fill_n(to + r * pitch, t.keys, -1);
      return;
    }
    run<float> m(*mask_, t);
    m.each_block([&](const block_place& at) {
      m.forward();
      for (long r = 0; r < at.rows; ++r) {
        const auto x = m.result(r);
        std::int32_t* const row = to + (at.row + r) * pitch + at.key;
        if (x.key_step)
          std::memcpy(row, x.at, std::size_t(m.padded_keys()) * sizeof *row);
        else
          std::fill_n(row, m.padded_keys(), std::bit_cast<std::int32_t>(*x.at));
      }
    });
  }

  vectors prepare() const override { return term_ ? vectors::as_given : similar().prepare(); }
  form similarity_form() const override { return term_ ? form::pairwise : similar().similarity_form(); }
  double scale(long channels) const override {
    return parts_.scale ? *parts_.scale : term_ ? 1.0 : similar().scale(channels);
  }
  const tensor* projection() const override { return term_ ? nullptr : similar().projection(); }
  double term(std::span<const double> q, std::span<const double> k) const override {
    if (!term_) return similar().term(q, k);
    double all_channels = 0;
    run<double> m(*term_, one_link);
    for (std::size_t c = 0; c < q.size(); ++c) {
      give_channel(m, &q[c], &k[c], long(c));
      m.each_block([&](const block_place&) {
        m.forward();
        all_channels += *m.result(0).at;
      });
    }
    return all_channels;
  }
  void term_backward(std::span<const double> q, std::span<const double> k, double ds, double* dq, double* dk,
                     std::span<double* const> gradients) const override {
    if (!term_) return similar().term_backward(q, k, ds, dq, dk, gradients);
    const channel_sums<double> to{dq, dk, has_channel_weights() ? gradients[0] : nullptr};
    run<double> m(*term_, one_link, {});
    for (std::size_t c = 0; c < q.size(); ++c) {
      give_channel(m, &q[c], &k[c], long(c));
      add_channel(m, long(c), 1, 1, to, [&](const block_place&) { m.reverse([&](long, long) { return ds; }); });
    }
  }
  void similarities(const channel_tile& x, float factor, float* s, long pitch) const override {
    if (!term_) return similar().similarities(x, factor, s, pitch);
    const tile t = tile_of(x);
    run<float> m(*term_, t);
    for (long c = 0; c < x.channels; ++c) {
      const float *const q = x.q + c * x.q_pitch, *const k = x.k + c * x.k_pitch;
      m.each_block([&](long key, long) { give_channel(m, q, k + key, c); },
                   [&](const block_place& at) {
                     m.given().query_channel = q + at.row;
                     m.forward();
                     for (long r = 0; r < at.rows; ++r) {
                       const auto y = m.result(r);
                       float* const to = s + (at.row + r) * pitch + at.key;
                       for (long j = 0; j < m.padded_keys(); ++j) to[j] = (c ? to[j] : 0.f) + y.at[j * y.key_step];
                       for (long j = 0; j < m.padded_keys() && c + 1 == x.channels; ++j) to[j] *= factor;
                     }
                   },
                   [](long, long) {});
    }
    for (long r = 0; r < x.rows && x.channels == 0; ++r) std::fill_n(s + r * pitch, x.keys, 0.f);
  }
  void similarities_backward(const channel_tile& x, float factor, const float* ds, long pitch, float* dq, float* dk,
                             std::span<float* const> gradients) const override {
    if (!term_) return similar().similarities_backward(x, factor, ds, pitch, dq, dk, gradients);
    const tile t = tile_of(x);
    const channel_sums<float> to{dq, dk, has_channel_weights() ? gradients[0] : nullptr};
    run<float> m(*term_, t, {});
    for (long c = 0; c < x.channels; ++c) {
      give_channel(m, x.q + c * x.q_pitch, x.k + c * x.k_pitch, c);
      add_channel(m, c, x.q_pitch, x.k_pitch, to, [&](const block_place& at) {
        const float* const from = ds + at.row * pitch + at.key;
        m.reverse([&](long r, long j) { return factor * from[r * pitch + j]; });
      });
    }
  }

  void similarities(const channel_links& x, float factor, float* s) const override {
    if (!term_) return similar().similarities(x, factor, s);
    const tile t = tile_of(x);
    run<float> m(*link_term_, t);
    for (long c = 0; c < x.channels; ++c) {
      const float *const q = x.q + c * x.pitch, *const k = x.k + c * x.pitch;
      m.each_block([&](long first, long) { give_channel(m, q + first, k + first, c); },
                   [&](const block_place& at) {
                     m.forward();
                     const auto y = m.result(0);
                     float* const to = s + at.key;
                     for (long n = 0; n < m.padded_keys(); ++n) to[n] = (c ? to[n] : 0.f) + y.at[n * y.key_step];
                     for (long n = 0; n < m.padded_keys() && c + 1 == x.channels; ++n) to[n] *= factor;
                   },
                   [](long, long) {});
    }
    if (x.channels == 0) std::fill_n(s, x.links, 0.f);
  }
  void similarities_backward(const channel_links& x, float factor, const float* ds, float* dq, float* dk,
                             std::span<float* const> gradients) const override {
    if (!term_) return similar().similarities_backward(x, factor, ds, dq, dk, gradients);
    const tile t = tile_of(x);
    run<float> m(*link_term_, t, {});
    const auto add = [&](float* to, const float* adjoint) {
      for (long n = 0; adjoint && n < m.padded_keys(); ++n) to[n] += adjoint[n];
    };
    for (long c = 0; c < x.channels; ++c) {
      const float *const q = x.q + c * x.pitch, *const k = x.k + c * x.pitch;
      m.each_block([&](long first, long) { give_channel(m, q + first, k + first, c); },
                   [&](const block_place& at) {
                     m.forward();
                     m.reverse([&](long, long n) { return factor * ds[at.key + n]; });
                   },
                   [&](long first, long) {
                     add(dq + c * x.pitch + first, m.adjoint_of(opcode::query_channel, 0));
                     add(dk + c * x.pitch + first, m.adjoint_of(opcode::key_channel, 0));
                     if (has_channel_weights()) gradients[0][c] += m.total(m.adjoint_of(opcode::channel_weight, 0));
                   });
    }
  }

  bool scores() const override { return score_.has_value(); }
  void misses(const tile& t, function_ref<void(const learned_miss&)> see) const override {
    if (!score_ || score_->plan().lookups.empty()) return;
    at_first_link(*score_, t, [&](const run<double>& m) {
      const schedule& plan = score_->plan();
      std::vector<bool> demanded(plan.steps.size());
      each_demanded(plan, m, [&](int n, const instruction&) { demanded[std::size_t(n)] = true; });
      for (const real_lookup& one : plan.lookups)
        for (std::size_t axis = 0; axis < one.sizes.size() && demanded[std::size_t(one.entry)]; ++axis) {
          const int step = one.indices[axis];
          const std::int64_t index = step < 0 ? 0 : m.first_whole(step);
          if (index >= 0 && index < one.sizes[axis]) continue;
          const instruction& i = plan.steps[std::size_t(one.entry)].what;
          if (i.code == opcode::learned_entry) see({parts_.learned[std::size_t(i.number)], int(axis), index});
          if (i.code == opcode::array_entry) {
            const named_array& a = plan.arrays[std::size_t(i.number)];
            see({{a.values, a.name.c_str(), ""}, int(axis), index});
          }
        }
    });
  }
  void score(const tile& t, double* s) const override {
    if (score_) run_score(*score_, t, s, t.keys);
  }
  void score_backward(const tile& t, const double* s, double* ds, std::span<double* const> gradients) const override {
    if (score_) run_score_backward(*score_, t, s, ds, t.keys, gradients.subspan(first_learned_));
  }
  void score(const tile& t, float* s, long pitch) const override {
    if (score_) run_score(*score_, t, s, pitch);
  }
  void score_backward(const tile& t, const float* s, float* ds, long pitch,
                      std::span<float* const> gradients) const override {
    if (score_) run_score_backward(*score_, t, s, ds, pitch, gradients.subspan(first_learned_));
  }

  void activate(std::span<const double> x, double* weight, double* slope) const override {
    if (!activation_) return weigh().activate(x, weight, slope);
    run_activation(*activation_, x.data(), long(x.size()), weight, slope);
  }
  void activate(const float* s, long n, float level, float reach, float* weight, float* slope) const override {
    if (!activation_) return weigh().activate(s, n, level, reach, weight, slope);
    each_argument(s, n, level, reach, slope != nullptr, [&](long first, long count, const float* w, const float* d) {
      for (long j = 0; j < count; ++j) {
        const bool link = s[first + j] != no_link;
        if (slope) slope[first + j] = link ? d[j] : 0;
        weight[first + j] = link ? w[j] : 0;  // last: weight may be s
      }
    });
  }
  row_totals activation_totals(const float* s, long n, float level, float reach) const override {
    if (!activation_) return weigh().activation_totals(s, n, level, reach);
    row_totals totals{};
    each_argument(s, n, level, reach, true, [&](long first, long count, const float* w, const float* d) {
      for (long j = 0; j < count; ++j)
        if (s[first + j] != no_link) totals.weight += w[j], totals.slope += d[j];
    });
    return totals;
  }
  normalised sum_to_one() const override { return activation_ ? parts_.weighting.sum_to_one : weigh().sum_to_one(); }
  closed closed_form() const override { return activation_ ? closed::none : weigh().closed_form(); }
  const row_rule& row() const override {
    static const row_rule all_links;
    return activation_ ? all_links : weigh().row();
  }
  const tensor* sink() const override { return activation_ ? nullptr : weigh().sink(); }
  attention_dropout dropout() const override { return parts_.dropout; }

 private:
  static constexpr float no_link = -std::numeric_limits<float>::infinity();
  static constexpr tile one_link{0, 0, 0, 1, 0, 1, 0, 1, 1};
  static tile first_link(const tile& t) {
    return {t.batch, t.head, t.row, 1, t.key, 1, t.offset, t.all_rows, t.all_keys};
  }
  /// f(run) with the values of a program at the first link of a tile.
  template <class F>
  static void at_first_link(const interpreted& p, const tile& t, F f) {
    const tile first = first_link(t);
    run<double> m(run<double>::keep_values{}, p, first);
    const double s = 1;
    m.each_block([&](const block_place&) {
      m.given().score = &s, m.given().score_pitch = 1;
      m.forward();
      f(m);
    });
  }
  static tile tile_of(const channel_links& x) { return {0, 0, 0, 1, 0, x.links, 0, 1, x.links}; }
  static tile tile_of(const channel_tile& x) { return {0, 0, 0, x.rows, 0, x.keys, 0, x.rows, x.keys}; }

  const formula& similar() const { return *parts_.similarity.ready; }
  const formula& weigh() const { return *parts_.weighting.ready; }
  bool has_channel_weights() const { return term_ && parts_.similarity.channel_weights; }
  template <class Number>
  Number channel_weight(long c) const {
    if (!has_channel_weights()) return 1;
    return Number(weights_.type() == dtype::float64 ? weights_.data<double>()[c] : double(weights_.data<float>()[c]));
  }

  template <class Number>
  void give_channel(run<Number>& m, const Number* q, const Number* k, long c) const {
    m.given().query_channel = q, m.given().key_channel = k, m.given().channel_weight = channel_weight<Number>(c);
  }

  // Gradients of queries, keys and channel weights (null without them) from the adjoints of one channel.
  template <class Number>
  struct channel_sums {
    Number *dq, *dk, *dw;
  };
  template <class Number, class F>
  static void add_channel(run<Number>& m, long c, long q_pitch, long k_pitch, const channel_sums<Number>& to,
                          F reverse) {
    const given_numbers<Number> all = m.given();
    m.each_block([&](long key, long) { m.given().key_channel = all.key_channel + key; },
                 [&](const block_place& at) {
                   m.given().query_channel = all.query_channel + at.row;
                   m.forward();
                   reverse(at);
                   for (long r = 0; r < at.rows; ++r)
                     to.dq[c * q_pitch + at.row + r] += m.total(m.adjoint_of(opcode::query_channel, r));
                 },
                 [&](long key, long) {
                   if (const Number* x = m.adjoint_of(opcode::key_channel, 0))
                     for (long j = 0; j < m.padded_keys(); ++j) to.dk[c * k_pitch + key + j] += x[j];
                   if (to.dw) to.dw[c] += m.total(m.adjoint_of(opcode::channel_weight, 0));
                 });
  }

  // f(first, count, weights, slopes) of the arguments (s - level) + reach, a block at a time.  Where there is no link
  // an argument of 0 stands in: what it weighs is thrown away.
  template <class F>
  void each_argument(const float* s, long n, float level, float reach, bool with_slope, F f) const {
    alignas(64) float x[block_keys], weight[block_keys], slope[block_keys];
    for (long first = 0; first < n; first += block_keys) {
      const long count = std::min(block_keys, n - first);
      std::fill(x, x + block_keys, 0.f);
      for (long j = 0; j < count; ++j) x[j] = s[first + j] == no_link ? 0 : (s[first + j] - level) + reach;
      run_activation(*activation_, x, count, weight, with_slope ? slope : nullptr);
      f(first, count, weight, slope);
    }
  }

  void list_parameters() {
    if (term_) {
      if (parts_.similarity.channel_weights) {
        parameters_.push_back(*parts_.similarity.channel_weights);
        weights_ = parameters_.back().values.to_contiguous();
      }
    } else {
      const auto& of_similarity = similar().parameters();
      parameters_.assign(of_similarity.begin(), of_similarity.end());
    }
    first_learned_ = parameters_.size();
    parameters_.insert(parameters_.end(), parts_.learned.begin(), parts_.learned.end());
    if (sink()) parameters_.push_back(weigh().parameters().back());
  }

  traced_parts parts_;
  std::optional<interpreted> mask_, score_, term_, link_term_, activation_;
  std::vector<parameter> parameters_;
  tensor weights_;  // of channels, contiguous
  std::size_t first_learned_ = 0;
};

std::shared_ptr<const formula> make_traced_formula(traced_parts parts) {
  return std::make_shared<traced_formula>(std::move(parts));
}

}  // namespace qkv::traced
