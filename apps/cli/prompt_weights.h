// What a language model looks at when it says what comes next: the weights of a prompt's last token.
#pragma once
#include "apps/cli/heat_map.h"
#include "apps/cli/model_file.h"

namespace qkv::cli {

struct prompt_weights {
  std::vector<std::string> tokens;  ///< of the prompt, as text; none where the model has no attention
  tensor weights;                   ///< [L, H, 1, T]: of every head
  head_choice choice;               ///< which of them the mean is over
  std::vector<float> mean;          ///< [T]

  attention_map map() const { return {{tokens.back()}, tokens, weights}; }
};

/// "mean of the heads of layer 2".
std::string in_words(const head_choice& choice);

/// @param layer, head  from 1; 0: all of them
/// @throws usage_error for one that the model does not have, or weights of a model without attention
prompt_weights weights_of_last(const language_model& m, const std::vector<std::int32_t>& prompt, long layer, long head);

/// The prompt with the weights under it, in as many lines as it takes.
std::string picture_of(const prompt_weights& looked, look how, int columns);

/// A number that counts from 1 as one from 0; nothing for 0.   @throws usage_error beyond `count`
std::optional<long> chosen(const std::string& option, long number, long count);

}  // namespace qkv::cli
