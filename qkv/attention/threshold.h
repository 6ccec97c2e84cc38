// Levels of weightings: weight = activation((score - level) + reach).
//
// The level is what is stored per row as `lse`: the score that would weigh 1.  For softmax that is the log-sum-exp, with
// reach 0; sparsemax's threshold lies 1 below it, entmax 1.5's 2 below.  Counting from the level and not from the
// threshold keeps a row of scores of 1e30 exact: its greatest one stands at the level itself.
#pragma once
#include "qkv/attention/formula.h"

namespace qkv {

/// The x at which the activation reaches `weight`, by halving; +-1e12 where it lies farther away.
double reach(const formula&, double weight);

/// reach(f, 1) where weights sum to 1 and it exists; else 0.
double unit_reach(const formula&);

}  // namespace qkv
