// Queries and keys as a similarity compares them: divided by their lengths (cosine), multiplied by its matrix (bilinear),
// or moved to a common centre with their squared lengths beside them (distance).  The kernels then see dot products.
#pragma once
#include "qkv/attention/workspace.h"

namespace qkv {

struct prepared_problem {
  view<const float, 4> q, k;               ///< what was given, or dense copies in the workspace
  const float* query_squares = nullptr;    ///< [B, H, T], for a distance
  const float* key_squares = nullptr;      ///< [B, G, S], with room for a register behind
};

/// Cost: O((T + S) D) time and memory, none of it for dot products and lambdas; a matrix costs D^2 a query.
prepared_problem prepare(const formula&, const problem&, workspace::state&);

/// The queries alone; k is as given.
prepared_problem prepare_queries(const formula&, const problem&, workspace::state&);

/// From gradients of the prepared queries and keys to those of the given ones, in place, and of the matrix.
void prepare_backward(const formula&, const problem&, const prepared_problem&, view<float, 4> dq, view<float, 4> dk,
                      std::span<float* const> learned, workspace::state&);

}  // namespace qkv
