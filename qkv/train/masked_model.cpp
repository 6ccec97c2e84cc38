#include "qkv/train/masked_model.h"

#include "qkv/train/stored_sizes.h"

namespace qkv {
namespace {

constexpr auto format = "qkv masked language model 1";

void check_reads_texts(const encoder_config& c) {
  if (c.patch_width > 0 || c.frame_width > 0)
    refuse("masked language model", "a model that reads texts only", "one that reads pictures or sounds");
}

}  // namespace

masking_options masking_for(const tokenizer& tokens) {
  std::int32_t first_word = 0;
  for (const std::int32_t special : tokens.special_ids()) first_word = std::max(first_word, special + 1);
  return {.mask = tokens.special(mask_token), .first_word = first_word};
}

void save_masked_model(const std::filesystem::path& path, const masked_language_model& model, const tokenizer& tokens,
                       const training_facts& facts, const named_tensors& state, weight_storage storage) {
  write_model(path, format, nn::parameters_of(model),
              {{"config", to_json(model.config())}, {"tokenizer", tokens.to_json()}}, facts, state, storage);
}

masked_model load_masked_model(const std::filesystem::path& path) {
  const model_reader file(path);
  file.expect_format(format);
  return file.in_this_file([&]() -> masked_model {
    const encoder_config config = encoder_config_from_json(file.text("config"));
    check(config);
    check_reads_texts(config);
    check_stored(file, config, "masked language model");
    tokenizer tokens = tokenizer::from_json(file.text("tokenizer"));
    masking_for(tokens);
    if (tokens.vocabulary_size() != config.vocabulary)
      refuse("masked language model", "a tokenizer of " + std::to_string(config.vocabulary) + " tokens",
             std::to_string(tokens.vocabulary_size()));
    masked_language_model model(config);
    file.load(nn::parameters_of(model));
    return {std::move(model), std::move(tokens), file.facts(), file.training_state()};
  });
}

}  // namespace qkv
