// A decoder at the beginning of a training run: new, or from the checkpoint that the run goes on from.
#pragma once
#include "apps/cli/model_file.h"
#include "apps/cli/training_run.h"

namespace qkv::cli {

struct decoder_beginning {
  language_model state;
  named_tensors training_state;
};

/// @param config  but for the vocabulary's size   @param vocabulary  as text_tokens_from_json reads it
decoder_beginning fresh_decoder(decoder_config config, const std::string& vocabulary, const training_options& training);
/// @throws usage_error where the checkpoint has no optimiser's state
decoder_beginning resumed_decoder(const training_run& run, const stored_step& from);

/// Writes the model with the facts of its run.
void save_decoder(const std::filesystem::path& path, const language_model& state, const training_facts& facts,
                  const named_tensors& more);

}  // namespace qkv::cli
