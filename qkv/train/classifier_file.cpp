#include "qkv/train/classifier_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "qkv/io/safetensors.h"

namespace qkv {
namespace {

using nlohmann::json;

constexpr auto format = "qkv classifier 1", of_optimiser = "optimiser.";

std::string as_text(double number) { return std::isnan(number) ? "nan" : std::to_string(number); }

/// What does not fit together, or nothing.
std::string mismatch(const encoder_config& config, const classifier_facts& facts) {
  if (long(facts.classes.size()) != config.classes)
    return std::to_string(facts.classes.size()) + " names for " + std::to_string(config.classes) + " classes";
  if (facts.picture.has_value() != (config.patch_width > 0) || facts.sound.has_value() != (config.frame_width > 0))
    return "a reading of pictures or sounds too many, or missing";
  if (facts.picture && facts.picture->patch_width() != config.patch_width)
    return "patches of " + std::to_string(facts.picture->patch_width()) + " numbers";
  if (facts.sound && facts.sound->frame_width() != config.frame_width)
    return "pieces of sound of " + std::to_string(facts.sound->frame_width()) + " numbers";
  return "";
}

/// Reads a classifier, and says of every error which file it is in.
class reader {
 public:
  explicit reader(const std::filesystem::path& path) : path_(path), file_(read_safetensors(path)) {
    if (metadata("format") != format)
      refuse_file(path_, "a file of " + std::string(format), "\"" + metadata("format") + "\"");
  }

  stored_classifier read() const try {
    const encoder_config config = encoder_config_from_json(metadata("config"));
    check(config);
    classifier_facts facts = read_facts();
    if (const std::string wrong = mismatch(config, facts); !wrong.empty())
      refuse_file(path_, "facts that fit its configuration", wrong);
    check_sizes(config);
    encoder_classifier model(config);
    const auto parameters = nn::parameters_of(model);
    for (const auto& p : parameters) p.value.value().copy_from(weight(p.name, p.value.shape()));
    named_tensors state;
    for (const auto& named : file_.tensors) {
      if (named.first.starts_with(of_optimiser))
        state.push_back(named);
      else if (std::ranges::find(parameters, named.first, &nn::named_parameter::name) == parameters.end())
        refuse_file(path_, "only weights that its configuration uses", named.first);
      check_real(named.second, named.first);
    }
    return {std::move(model), std::move(facts), std::move(state)};
  } catch (const std::bad_alloc&) { throw; } catch (const std::exception& error) {
    const std::string message = error.what();
    throw file_error(message.starts_with(path_.string()) ? message : path_.string() + ": " + message);
  }

 private:
  const std::string& metadata(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end())
      refuse_file(path_, "a classifier written by qkv", "no " + key + " in its metadata");
    return found->second;
  }

  // Before memory is taken: a configuration that the file's weights do not bear out may ask for any amount.
  void check_sizes(const encoder_config& c) const {
    const long up_rows = c.hidden_width() * (c.feed_forward == nn::feed_forward_kind::swiglu ? 2 : 1);
    weight("head.weight", {c.classes, c.width});
    weight("blocks." + std::to_string(c.layers - 1) + ".feed_forward.up.weight", {up_rows, c.width});
    if (c.vocabulary > 0) weight("tokens.weight", {c.vocabulary, c.width});
    if (c.patch_width > 0) weight("patches.weight", {c.width, c.patch_width});
    if (c.frame_width > 0) weight("frames.weight", {c.width, c.frame_width});
    if (c.positions == nn::position_kind::learned) weight("positions.weight", {c.context, c.width});
    // Fixed positions are not stored; 2^24 numbers of them are enough for any text.
    if (c.positions != nn::position_kind::learned && double(c.context) * double(c.width) > double(1 << 24))
      refuse_file(path_, "a context and a width whose product is at most 2^24",
                  std::to_string(c.context) + " and " + std::to_string(c.width));
  }

  const tensor& weight(const std::string& name, const shape& expected) const {
    const tensor* stored = file_.find(name);
    if (!stored) refuse_file(path_, "weights named " + name, "none");
    if (stored->shape() != expected)
      refuse_file(path_, name + " of shape " + to_string(expected) + ", as its configuration says",
                  to_string(stored->shape()));
    check_real(*stored, name);
    return *stored;
  }

  void check_real(const tensor& stored, const std::string& name) const {
    if (stored.type() == dtype::int32) refuse_file(path_, name + " in real numbers", "whole ones");
  }

  classifier_facts read_facts() const {
    classifier_facts facts;
    const json classes = json::parse(metadata("classes"), nullptr, /*allow_exceptions=*/false);
    const auto is_text = [](const json& one) { return one.is_string(); };
    if (!classes.is_array() || !std::ranges::all_of(classes, is_text))
      refuse_file(path_, "a list of names as classes", metadata("classes").substr(0, 40));
    facts.classes = classes.get<std::vector<std::string>>();
    if (file_.metadata.contains("picture")) facts.picture = picture_reading_from_json(metadata("picture"));
    if (file_.metadata.contains("sound")) facts.sound = sound_reading_from_json(metadata("sound"));
    if (facts.picture) check(*facts.picture);
    if (facts.sound) check(*facts.sound);
    const std::string& step = metadata("step");
    const auto [end, problem] = std::from_chars(step.data(), step.data() + step.size(), facts.step);
    if (problem != std::errc() || end != step.data() + step.size() || facts.step < 0)
      refuse_file(path_, "a whole number as step", "\"" + step + "\"");
    facts.validation_loss = std::strtod(metadata("validation_loss").c_str(), nullptr);
    facts.accuracy = std::strtod(metadata("accuracy").c_str(), nullptr);
    facts.training = training_options_from_json(metadata("training"));
    return facts;
  }

  const std::filesystem::path& path_;
  tensor_file file_;
};

}  // namespace

void save_classifier(const std::filesystem::path& path, const encoder_classifier& model, const classifier_facts& facts,
                     const named_tensors& state) {
  if (const std::string wrong = mismatch(model.config(), facts); !wrong.empty())
    refuse("save_classifier", "facts that fit the model", wrong);
  tensor_file file;
  for (const auto& p : nn::parameters_of(model)) file.tensors.emplace_back(p.name, p.value.value());
  file.tensors.insert(file.tensors.end(), state.begin(), state.end());
  file.metadata = {{"format", format},
                   {"config", to_json(model.config())},
                   {"classes", json(facts.classes).dump()},
                   {"step", std::to_string(facts.step)},
                   {"validation_loss", as_text(facts.validation_loss)},
                   {"accuracy", as_text(facts.accuracy)},
                   {"training", to_json(facts.training)}};
  if (facts.picture) file.metadata["picture"] = to_json(*facts.picture);
  if (facts.sound) file.metadata["sound"] = to_json(*facts.sound);
  write_safetensors(path, file);
}

stored_classifier load_classifier(const std::filesystem::path& path) { return reader(path).read(); }

}  // namespace qkv
