#include "qkv/train/checkpoint.h"

#include "qkv/train/stored_sizes.h"

namespace qkv {
namespace {

constexpr auto format = "qkv decoder 1";

decoder empty_model(const model_reader& file) {
  return file.in_this_file([&] {
    const decoder_config c = decoder_config_from_json(file.text("config"));
    check(c);
    const long up_rows = c.hidden_width() * (c.feed_forward == nn::feed_forward_kind::swiglu ? 2 : 1);
    file.weight("tokens.weight", {c.vocabulary, c.width});
    file.weight("blocks." + std::to_string(c.layers - 1) + ".feed_forward.up.weight", {up_rows, c.width});
    check_stored(file, c.told_positions(), c.mixer, c.taps, "decoder");
    return decoder(c);
  });
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const decoder& model, const checkpoint_facts& facts,
                     const named_tensors& state, weight_storage storage) {
  write_model(path, format, nn::parameters_of(model),
              {{"config", to_json(model.config())}, {"vocabulary", facts.vocabulary}},
              {facts.step, facts.validation_loss, facts.training}, state, storage);
}

checkpoint load_checkpoint(const std::filesystem::path& path) {
  const model_reader file(path);
  file.expect_format(format);
  decoder model = empty_model(file);
  file.load(nn::parameters_of(model));
  const training_facts facts = file.facts();
  return {std::move(model),
          {file.text("vocabulary"), facts.step, facts.validation_loss, facts.training},
          file.training_state()};
}

}  // namespace qkv
