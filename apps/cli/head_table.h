// What every head of a model does over a text, in a row of numbers: worked out without a T x T matrix.
#pragma once
#include <cstdint>

#include "apps/cli/attention_map.h"
#include "qkv/nn/multi_head_attention.h"

namespace qkv::cli {

/// What a token sees: itself and those before it, or all of them.
enum class sight { backwards, both_sides };

/// What the heads of every layer look with and look at over one text.
struct text_links {
  std::vector<nn::attention_inputs> layers;
  std::shared_ptr<const formula> even;  ///< weighs all that a token sees alike
  sight sees = sight::backwards;
};

/// L layers   H heads   T tokens
struct head_table {
  long layers = 0, heads = 0;
  std::vector<head_statistics> rows;  ///< of head h of layer l: rows[l * H + h]
  head_statistics even;               ///< of a head that looks evenly at all it sees
  tensor likeness;                    ///< [L, H, H]: cosines between the weights of a layer's heads

  const head_statistics& row(long layer, long head) const { return rows[std::size_t(layer * heads + head)]; }
  /// The head of the same layer whose weights are most alike; -1 where it has only one.
  long likest(long layer, long head) const;
};

/// Equal to statistics_of an attention_map within rounding.
/// @param labels  the tokens as text
/// Cost: two walks over the links of every head; memory O(T) beyond the inputs.
head_table head_table_of(const text_links& links, const std::vector<std::int32_t>& tokens,
                         const std::vector<std::string>& labels);

/// How much of one token's result comes from each token, through all layers: T shares that sum to one.
std::vector<float> rollout_of(const text_links& links, long token);

/// A line for each of these heads, and one for the even spread; and what its columns mean.
std::string table_of_heads(const head_table& table, const std::vector<long>& layers, const std::vector<long>& heads,
                           look how);
std::string columns_in_words(sight sees);

/// The tokens with the greatest shares, a bar for each.
std::string picture_of_rollout(const std::vector<float>& shares, const std::vector<std::string>& labels, long token,
                               look how);

}  // namespace qkv::cli
