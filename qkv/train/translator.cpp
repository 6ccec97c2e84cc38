#include "qkv/train/translator.h"

namespace qkv {
namespace {

constexpr auto format = "qkv encoder-decoder 1";

encoder_decoder empty_model(const model_reader& file) {
  const encoder_decoder_config c = file.in_this_file([&] {
    const auto read = encoder_decoder_config_from_json(file.text("config"));
    check(read);
    return read;
  });
  // Before memory is taken: a configuration that the file's weights do not bear out may ask for any amount.
  file.weight("target_tokens.weight", {c.target_vocabulary, c.width});
  if (!c.shared_vocabulary) file.weight("source_tokens.weight", {c.source_vocabulary, c.width});
  const shape down{c.width, c.hidden_width()};
  file.weight("encoder." + std::to_string(c.encoder_layers - 1) + ".feed_forward.down.weight", down);
  file.weight("decoder." + std::to_string(c.decoder_layers - 1) + ".feed_forward.down.weight", down);
  return encoder_decoder(c);
}

tokenizer tokenizer_in(const model_reader& file, const char* name, long vocabulary) {
  return file.in_this_file([&] {
    auto read = tokenizer::from_json(file.text(name));
    if (read.vocabulary_size() != vocabulary)
      refuse(name, "as many tokens as the model's vocabulary, " + std::to_string(vocabulary),
             std::to_string(read.vocabulary_size()));
    read.special(special_token::end);
    return read;
  });
}

}  // namespace

text_frame translator::frame() const {
  return {target.special(special_token::begin), target.special(special_token::end)};
}

parallel_tokens tokens_of(const tokenizer& source, const tokenizer& target, std::span<const std::string> texts,
                          std::span<const std::string> translations) {
  return {source.encode_each(texts), target.encode_each(translations)};
}

void save_translator(const std::filesystem::path& path, const encoder_decoder& model, const tokenizer& source,
                     const tokenizer& target, const training_facts& facts, const named_tensors& state,
                     weight_storage storage) {
  write_model(path, format, model.parameters(),
              {{"config", to_json(model.config())},
               {"source_tokenizer", source.to_json()},
               {"target_tokenizer", target.to_json()}},
              facts, state, storage);
}

translator load_translator(const std::filesystem::path& path) {
  const model_reader file(path);
  file.expect_format(format);
  encoder_decoder model = empty_model(file);
  file.load(model.parameters());
  auto source = tokenizer_in(file, "source_tokenizer", model.config().source_vocabulary);
  auto target = tokenizer_in(file, "target_tokenizer", model.config().target_vocabulary);
  return {std::move(model), std::move(source), std::move(target), file.facts(), file.training_state()};
}

}  // namespace qkv
