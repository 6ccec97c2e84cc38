// traced_formula: the formula of lambdas written down as programs, joined with ready-made similarities and weightings.
#pragma once
#include <memory>
#include <optional>

#include "qkv/attention/formula.h"
#include "qkv/traced/schedule.h"

namespace qkv::traced {

/// A similarity: a ready-made formula's, or a program over query_channel, key_channel and channel_weight.
struct similarity_choice {
  std::shared_ptr<const formula> ready;  ///< null: the term
  std::optional<program> term;
  std::optional<parameter> channel_weights;
};

/// A weighting: a ready-made formula's, or a program whose `score` is the argument x.
struct weighting_choice {
  std::shared_ptr<const formula> ready;  ///< null: the activation
  std::optional<program> activation;
  normalised sum_to_one = normalised::no;
};

struct traced_parts {
  similarity_choice similarity;
  weighting_choice weighting;
  std::optional<program> mask{};
  std::optional<program> score{};    ///< all scores, one after the other
  std::vector<parameter> learned{};  ///< what the score looks up, by number
  std::optional<double> scale{};     ///< replaces the similarity's own
  attention_dropout dropout{};
};

/// Throws shape_error where a program is not of its kind: a mask of truth over whole numbers, the others of real
/// numbers. Cost of a tile: each instruction once over its links, beside a few nanoseconds an instruction and block.
std::shared_ptr<const formula> make_traced_formula(traced_parts);

}  // namespace qkv::traced
