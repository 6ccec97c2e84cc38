#include "qkv/train/classifier.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "qkv/train/stored_sizes.h"

namespace qkv {
namespace {

using nlohmann::json;

constexpr auto format = "qkv classifier 1";

/// Says what does not fit together.
void check_fit(const encoder_config& config, const classifier_senses& senses) {
  const auto need = [](bool holds, const std::string& expected, const std::string& found) {
    if (!holds) refuse("classifier", expected, found);
  };
  need(long(senses.classes.size()) == config.classes, std::to_string(config.classes) + " names of classes",
       std::to_string(senses.classes.size()));
  const long patch = senses.picture ? senses.picture->patch_width() : 0;
  need(patch == config.patch_width, "patches of " + std::to_string(config.patch_width) + " numbers",
       std::to_string(patch));
  const long frames = senses.sound ? senses.sound->frame_width() : 0;
  need(frames == config.frame_width, "pieces of sound of " + std::to_string(config.frame_width) + " numbers",
       std::to_string(frames));
  const long vocabulary = senses.text ? senses.text->vocabulary_size() : 0;
  need(vocabulary == config.vocabulary, "a tokenizer of " + std::to_string(config.vocabulary) + " tokens",
       std::to_string(vocabulary));
}

classifier_senses senses_in(const model_reader& file) {
  classifier_senses senses;
  const json classes = json::parse(file.text("classes"), nullptr, /*allow_exceptions=*/false);
  if (!classes.is_array() || !std::ranges::all_of(classes, [](const json& one) { return one.is_string(); }))
    refuse("classifier", "a list of names as classes", file.text("classes").substr(0, 40));
  senses.classes = classes.get<std::vector<std::string>>();
  if (!file.text("picture").empty()) check(senses.picture.emplace(picture_reading_from_json(file.text("picture"))));
  if (!file.text("sound").empty()) check(senses.sound.emplace(sound_reading_from_json(file.text("sound"))));
  // Files from before texts say nothing of them.
  if (file.has_text("tokenizer") && !file.text("tokenizer").empty())
    senses.text = tokenizer::from_json(file.text("tokenizer"));
  return senses;
}

}  // namespace

void save_classifier(const std::filesystem::path& path, const encoder_classifier& model,
                     const classifier_senses& senses, const training_facts& facts, const named_tensors& state,
                     weight_storage storage) {
  check_fit(model.config(), senses);
  write_model(path, format, nn::parameters_of(model),
              {{"config", to_json(model.config())},
               {"classes", json(senses.classes).dump()},
               {"picture", senses.picture ? to_json(*senses.picture) : ""},
               {"sound", senses.sound ? to_json(*senses.sound) : ""},
               {"tokenizer", senses.text ? senses.text->to_json() : ""}},
              facts, state, storage);
}

classifier load_classifier(const std::filesystem::path& path) {
  const model_reader file(path);
  file.expect_format(format);
  classifier_senses senses;
  const encoder_classifier model = file.in_this_file([&] {
    const encoder_config config = encoder_config_from_json(file.text("config"));
    check(config);
    senses = senses_in(file);
    check_fit(config, senses);
    file.weight("head.weight", {config.classes, config.width});
    check_stored(file, config, "classifier");
    return encoder_classifier(config);
  });
  file.load(nn::parameters_of(model));
  return {model, std::move(senses), file.facts(), file.training_state()};
}

}  // namespace qkv
