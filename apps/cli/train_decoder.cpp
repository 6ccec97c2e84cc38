#include "apps/cli/train_decoder.h"

namespace qkv::cli {

decoder_beginning fresh_decoder(decoder_config config, const std::string& vocabulary,
                                const training_options& training) {
  text_tokens tokens = text_tokens_from_json(vocabulary);
  config.vocabulary = tokens.all.vocabulary_size();
  checkpoint_facts facts{.vocabulary = vocabulary, .training = training};
  return {{decoder(config, training.seed), std::move(tokens), std::move(facts)}, {}};
}

decoder_beginning resumed_decoder(const training_run& run, const stored_step& from) {
  checkpoint old = load_checkpoint(from.model());
  if (old.training_state.empty())
    throw usage_error("--resume: expected a checkpoint with the optimiser's state; found weights only");
  old.facts.training = run.resumed_options({old.facts.step, old.facts.validation_loss, old.facts.training});
  text_tokens tokens = text_tokens_from_json(old.facts.vocabulary);
  return {{std::move(old.model), std::move(tokens), std::move(old.facts)}, std::move(old.training_state)};
}

void save_decoder(const std::filesystem::path& path, const language_model& state, const training_facts& facts,
                  const named_tensors& more) {
  save_checkpoint(path, state.model, {state.facts.vocabulary, facts.step, facts.validation_loss, facts.training}, more);
}

}  // namespace qkv::cli
