// The walk through one small attention head, step by step and in plain loops, to be shown.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace qkv::cli {

struct explain_options {
  std::string text;
  std::string mask = "none";          ///< none, causal
  std::string weighting = "softmax";  ///< softmax, sparsemax, uniform
  std::string similarity = "dot";     ///< dot, cosine, additive
  long width = 4;
  std::uint64_t seed = 340;  ///< three words then look mostly at themselves, and some at others
};

/// Rows of numbers.
using matrix = std::vector<std::vector<double>>;

/// T tokens   D width
struct walk {
  std::vector<std::string> tokens;
  matrix embedding;                               ///< x [T, D]
  matrix query_weight, key_weight, value_weight;  ///< W_q, W_k, W_v [D, D]
  matrix queries, keys, values;                   ///< q = x W_q, ... [T, D]
  std::vector<double> additive_weight;            ///< v [D], for the additive similarity
  matrix similarity;                              ///< [T, T], before scaling
  double scale = 1;
  matrix score;   ///< scaled, and -infinity where the mask forbids
  matrix weight;  ///< every row sums to one
  matrix out;     ///< [T, D], sum over j of weight[i][j] v_j

  double oracle_difference = 0;  ///< largest, in weights and outputs, to the double-precision oracle
  bool fused = true;             ///< the engine computes this composition
  double engine_difference = 0;  ///< largest, in outputs, to attention(q, k, v, ...)
  std::string refusal;           ///< what the engine says where it does not

  double diagonal() const;  ///< mean weight of a token on itself
};

/// Takes the walk and checks it against the oracle and the engine.
walk take_walk(const explain_options& options);

}  // namespace qkv::cli
