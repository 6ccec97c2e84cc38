#include "qkv/train/translator.h"

namespace qkv {
namespace {

constexpr auto encoder_decoder_format = "qkv encoder-decoder 1", recurrent_format = "qkv recurrent translator 1";

encoder_decoder empty_encoder_decoder(const model_reader& file) {
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

recurrent_translator empty_recurrent_translator(const model_reader& file) {
  const recurrent_translator_config c = file.in_this_file([&] {
    const auto read = recurrent_translator_config_from_json(file.text("config"));
    check(read);
    return read;
  });
  // As above.
  file.weight("target_tokens.weight", {c.target_vocabulary, c.width});
  file.weight("source_tokens.weight", {c.source_vocabulary, c.width});
  file.weight("bridge.weight", {c.units, c.memory_width()});
  file.weight("encoder.layers." + std::to_string(c.layers - 1) + ".hidden.weight",
              {gates_of(c.cell) * c.units, c.units});
  return recurrent_translator(c);
}

std::unique_ptr<sequence_to_sequence> empty_model(const model_reader& file) {
  if (file.format() == recurrent_format)
    return std::make_unique<recurrent_translator>(empty_recurrent_translator(file));
  file.expect_format(encoder_decoder_format);
  return std::make_unique<encoder_decoder>(empty_encoder_decoder(file));
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

void save_translator(const std::filesystem::path& path, const sequence_to_sequence& model, const tokenizer& source,
                     const tokenizer& target, const training_facts& facts, const named_tensors& state,
                     weight_storage storage) {
  write_model(path, "qkv " + std::string(model.kind()) + " 1", model.parameters(),
              {{"config", model.configuration()},
               {"source_tokenizer", source.to_json()},
               {"target_tokenizer", target.to_json()}},
              facts, state, storage);
}

bool is_translator(const std::string& format) { return format == encoder_decoder_format || format == recurrent_format; }

translator load_translator(const std::filesystem::path& path) {
  const model_reader file(path);
  auto model = empty_model(file);
  file.load(model->parameters());
  auto source = tokenizer_in(file, "source_tokenizer", model->source_vocabulary());
  auto target = tokenizer_in(file, "target_tokenizer", model->target_vocabulary());
  return {std::move(model), std::move(source), std::move(target), file.facts(), file.training_state()};
}

}  // namespace qkv
