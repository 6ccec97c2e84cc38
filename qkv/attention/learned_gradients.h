// Where the backward pass collects gradients of learned tensors, in an order that no thread changes.
//
// A tensor whose last axis runs along the keys (a dense bias) is as large as the links themselves: its gradient is
// written in place, and pieces of work that could write the same entry follow each other in one chain (backward.cpp).
// The others get a private gradient a piece, added in order.  A sink's gradient is a number a query block.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "qkv/attention/workspace.h"

namespace qkv {

class learned_gradients {
 public:
  learned_gradients(const formula& f, std::span<float* const> results)
      : formula_(f), parameters_(f.parameters()), results_(results), sink_(f.sink() != nullptr), matrix_(f.projection() != nullptr) {}

  static bool runs_along_keys(const parameter& p) { return std::string_view(p.letters).ends_with(" S"); }
  bool any_along_keys() const { return std::any_of(parameters_.begin(), parameters_.end(), runs_along_keys); }
  /// Whether a tensor along the keys is shared: by sequences, by heads.
  std::pair<bool, bool> shared_along_keys() const {
    bool by_sequences = false, by_heads = false;
    for (const parameter& p : parameters_)
      if (runs_along_keys(p)) by_sequences |= p.values.dim(0) == 1, by_heads |= p.values.dim(1) == 1;
    return {by_sequences, by_heads};
  }

  /// Memory for so many pieces of work and query blocks.
  void give(growing_memory& memory, long pieces, long query_blocks) {
    pieces_ = pieces, floats_ = 0;
    for (std::size_t n = 0; n < in_kernels(); ++n)
      if (!in_place(n)) floats_ += parameters_[n].values.size();
    sinks_ = sink_ ? query_blocks : 0;
    private_ = memory.get<float>(pieces * floats_ + sinks_);
    std::fill_n(private_, pieces * floats_ + sinks_, 0.f);
  }
  bool has_sink() const { return sinks_ > 0; }
  float& sink_sum(long query_block) { return private_[query_block]; }
  /// The sink's weight in a row of this level, and its derivative; 0 where there is no sink.
  row_totals of_sink(long head, float level, float unit_reach) const {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (!sink_ || level == -infinity) return {};
    const float sink = formula_.sink()->data<float>()[head];
    if (formula_.closed_form() == closed::exponential) return {std::exp(sink - level), std::exp(sink - level)};
    float scores[16];
    std::fill_n(scores, 16, -infinity);
    scores[0] = sink;
    return formula_.activation_totals(scores, 16, level, unit_reach);
  }
  /// One array a parameter that kernels add to; returns how many.
  std::size_t of_piece(long piece, float** to) const {
    float* mine = private_ + sinks_ + piece * floats_;
    for (std::size_t n = 0; n < in_kernels(); ++n)
      to[n] = in_place(n) ? results_[n] : std::exchange(mine, mine + parameters_[n].values.size());
    return in_kernels();
  }

  /// head_of(query block) tells whose sink it was.
  void reduce(auto head_of) {
    const float* from = private_ + sinks_;
    for (long piece = 0; piece < pieces_; ++piece)
      for (std::size_t n = 0; n < in_kernels(); ++n)
        if (!in_place(n))
          for (long e = 0; e < parameters_[n].values.size(); ++e) results_[n][e] += *from++;
    for (long n = 0; n < sinks_; ++n) results_.back()[head_of(n)] += private_[n];
  }

 private:
  std::size_t in_kernels() const { return parameters_.size() - sink_; }
  // A similarity's matrix is no business of the kernels.
  bool in_place(std::size_t n) const { return runs_along_keys(parameters_[n]) || (n == 0 && matrix_); }

  const formula& formula_;
  const std::vector<parameter>& parameters_;
  std::span<float* const> results_;
  bool sink_, matrix_;
  long pieces_ = 0, floats_ = 0, sinks_ = 0;
  float* private_ = nullptr;
};

}  // namespace qkv
