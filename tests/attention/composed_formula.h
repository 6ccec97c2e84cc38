// A formula put together at run time, from ready ones: a similarity, a tree of masks, a chain of scores, a weighting.  The engine sees one virtual call a tile, as it does with compiled lambdas.
#pragma once
#include <algorithm>
#include <memory>

#include "qkv/attention/formula.h"

namespace qkv {

using formula_ptr = std::shared_ptr<const formula>;

/// Masks joined by & | and !.  A node without a leaf joins its branches.
struct mask_tree {
  enum join { all, any, none } how = all;  ///< none: the one branch, negated
  formula_ptr leaf;
  std::vector<mask_tree> branches;

  coverage classify(const position<interval>& at) const {
    if (leaf) return leaf->classify(at);
    coverage c = branches[0].classify(at);
    for (std::size_t n = 1; n < branches.size(); ++n)
      c = how == all ? c && branches[n].classify(at) : c || branches[n].classify(at);
    return how == none ? !c : c;
  }

  /// keep_of(leaf) gives a vector of truth values, one a link.
  template <class Truth>
  std::vector<Truth> keep(const auto& keep_of) const {
    if (leaf) return keep_of(*leaf);
    std::vector<Truth> kept = branches[0].keep<Truth>(keep_of);
    for (std::size_t n = 1; n < branches.size(); ++n) {
      const auto other = branches[n].keep<Truth>(keep_of);
      for (std::size_t i = 0; i < kept.size(); ++i)
        kept[i] = Truth(how == all ? kept[i] & other[i] : kept[i] | other[i]);
    }
    if (how == none)
      for (Truth& x : kept) x = Truth(x ? 0 : -1);
    return kept;
  }
};

class composed_formula final : public formula {
 public:
  /// mask: null for none.  scale: null for the similarity's own.
  composed_formula(formula_ptr similar, formula_ptr weighing, const double* scale, std::shared_ptr<const mask_tree> mask,
                   std::vector<formula_ptr> scores)
      : similar_(std::move(similar)), weighing_(std::move(weighing)), mask_(std::move(mask)), scores_(std::move(scores)),
        own_scale_(scale == nullptr), scale_(scale ? *scale : 0), parameters_(similar_->parameters()) {
    for (const auto& s : scores_)
      for (const parameter& p : s->parameters()) parameters_.push_back(p);
    if (weighing_->sink()) parameters_.push_back(weighing_->parameters().back());
  }

  part_names names() const override { return {similar_->names().similarity, weighing_->names().weighting}; }
  const std::vector<parameter>& parameters() const override { return parameters_; }

  bool masks() const override { return mask_ != nullptr; }
  coverage classify(const position<interval>& at) const override {
    return mask_ ? mask_->classify(at) : coverage(true);
  }
  void keep(const tile& t, bool* keep) const override {
    std::fill_n(keep, t.rows * t.keys, true);
    if (!mask_) return;
    const auto kept = mask_->keep<signed char>([&](const formula& leaf) {
      const auto truth = std::make_unique<bool[]>(t.rows * t.keys);
      leaf.keep(t, truth.get());
      return std::vector<signed char>(truth.get(), truth.get() + t.rows * t.keys);
    });
    for (std::size_t i = 0; i < kept.size(); ++i) keep[i] = kept[i] != 0;
  }
  void keep(const tile& t, std::int32_t* truth, long pitch) const override {
    const long wide = (t.keys + 15) / 16 * 16;
    std::vector<std::int32_t> kept(t.rows * wide, -1);
    if (mask_)
      kept = mask_->keep<std::int32_t>([&](const formula& leaf) {
        std::vector<std::int32_t> one(t.rows * wide);
        leaf.keep(t, one.data(), wide);
        return one;
      });
    for (long i = 0; i < t.rows; ++i) std::copy_n(kept.data() + i * wide, t.keys, truth + i * pitch);
  }

  vectors prepare() const override { return similar_->prepare(); }
  form similarity_form() const override { return similar_->similarity_form(); }
  double scale(long channels) const override { return own_scale_ ? similar_->scale(channels) : scale_; }
  double term(std::span<const double> q, std::span<const double> k) const override { return similar_->term(q, k); }
  void term_backward(std::span<const double> q, std::span<const double> k, double ds, double* dq, double* dk,
                     std::span<double* const> gradients) const override {
    similar_->term_backward(q, k, ds, dq, dk, gradients);
  }

  const tensor* projection() const override { return similar_->projection(); }
  void similarities(const channel_tile& x, float factor, float* s, long pitch) const override {
    similar_->similarities(x, factor, s, pitch);
  }
  void similarities_backward(const channel_tile& x, float factor, const float* ds, long pitch, float* dq, float* dk,
                             std::span<float* const> gradients) const override {
    similar_->similarities_backward(x, factor, ds, pitch, dq, dk, gradients);
  }
  void similarities(const channel_links& x, float factor, float* s) const override {
    similar_->similarities(x, factor, s);
  }
  void similarities_backward(const channel_links& x, float factor, const float* ds, float* dq, float* dk,
                             std::span<float* const> gradients) const override {
    similar_->similarities_backward(x, factor, ds, dq, dk, gradients);
  }

  bool scores() const override { return !scores_.empty(); }
  void score(const tile& t, double* s) const override {
    for (const auto& one : scores_) one->score(t, s);
  }
  void score_backward(const tile& t, const double* s, double* ds, std::span<double* const> gradients) const override {
    backward_through(
        t, s, t.keys, gradients,
        [&](const formula& one, const double* before, auto own) { one.score_backward(t, before, ds, own); },
        [&](const formula& one, double* x) { one.score(t, x); });
  }
  void score(const tile& t, float* s, long pitch) const override {
    for (const auto& one : scores_) one->score(t, s, pitch);
  }
  void score_backward(const tile& t, const float* s, float* ds, long pitch,
                      std::span<float* const> gradients) const override {
    backward_through(
        t, s, pitch, gradients,
        [&](const formula& one, const float* before, auto own) { one.score_backward(t, before, ds, pitch, own); },
        [&](const formula& one, float* x) { one.score(t, x, pitch); });
  }

  void activate(std::span<const double> x, double* weight, double* slope) const override {
    weighing_->activate(x, weight, slope);
  }
  void activate(const float* s, long n, float level, float reach, float* weight, float* slope) const override {
    weighing_->activate(s, n, level, reach, weight, slope);
  }
  row_totals activation_totals(const float* s, long n, float level, float reach) const override {
    return weighing_->activation_totals(s, n, level, reach);
  }
  attention_dropout dropout() const override { return weighing_->dropout(); }
  normalised sum_to_one() const override { return weighing_->sum_to_one(); }
  closed closed_form() const override { return weighing_->closed_form(); }
  const row_rule& row() const override { return weighing_->row(); }
  const tensor* sink() const override { return weighing_->sink(); }

 private:
  // The chain rule: what stood before each score, first to last; then their derivatives, last to first.
  template <class T>
  void backward_through(const tile& t, const T* s, long pitch, std::span<T* const> gradients, auto derivative,
                        auto apply) const {
    std::vector<std::vector<T>> before{std::vector<T>(t.rows * pitch + 16)};
    for (long i = 0; i < t.rows; ++i) std::copy_n(s + i * pitch, t.keys, before[0].data() + i * pitch);
    for (std::size_t n = 0; n + 1 < scores_.size(); ++n) {
      before.push_back(before.back());
      apply(*scores_[n], before.back().data());
    }
    std::size_t first = similar_->parameters().size();
    for (const auto& one : scores_) first += one->parameters().size();
    for (std::size_t n = scores_.size(); n-- > 0;) {
      const std::size_t count = scores_[n]->parameters().size();
      first -= count;
      derivative(*scores_[n], before[n].data(), gradients.subspan(first, count));
    }
  }

  formula_ptr similar_, weighing_;
  std::shared_ptr<const mask_tree> mask_;
  std::vector<formula_ptr> scores_;
  bool own_scale_;
  double scale_;
  std::vector<parameter> parameters_;
};

}  // namespace qkv
