#include "qkv/train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "qkv/io/safetensors.h"

namespace qkv {
namespace {

constexpr auto format = "qkv decoder 1", of_optimiser = "optimiser.";

[[noreturn]] void complain(const std::filesystem::path& path, const std::string& expected, const std::string& found) {
  throw file_error(path.string() + ": expected " + expected + "; found " + found);
}

/// Reads a checkpoint, and says of every error which file it is in.
class reader {
 public:
  explicit reader(const std::filesystem::path& path) : path_(path), file_(read_safetensors(path)) {
    if (metadata("format") != format)
      complain(path_, "a checkpoint of " + std::string(format), "\"" + metadata("format") + "\"");
  }

  checkpoint read() const {
    decoder model = empty_model();
    const auto parameters = nn::parameters_of(model);
    for (const auto& p : parameters) load(p);
    // A weight that the configuration has no use for: one of them is not this model's.
    for (const auto& [name, value] : file_.tensors)
      if (!name.starts_with(of_optimiser) &&
          std::ranges::find(parameters, name, &nn::named_parameter::name) == parameters.end())
        complain(path_, "only weights that its configuration uses", name);
    return {std::move(model), facts(), training_state()};
  }

 private:
  const std::string& metadata(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) complain(path_, "a checkpoint written by qkv", "no " + key + " in its metadata");
    return found->second;
  }

  decoder empty_model() const {
    const decoder_config config = checked_config();
    // Before memory is taken: a configuration that the file's weights do not bear out may ask for any amount.
    const long up_rows = config.hidden_width() * (config.feed_forward == nn::feed_forward_kind::swiglu ? 2 : 1);
    weight("tokens.weight", {config.vocabulary, config.width});
    weight("blocks." + std::to_string(config.layers - 1) + ".feed_forward.up.weight", {up_rows, config.width});
    if (config.positions == nn::position_kind::learned) weight("positions.weight", {config.context, config.width});
    return decoder(config);
  }

  decoder_config checked_config() const try {
    const auto config = decoder_config_from_json(metadata("config"));
    check(config);
    return config;
  } catch (const std::exception& error) {
    const std::string message = error.what();
    throw file_error(message.starts_with(path_.string()) ? message : path_.string() + ": " + message);
  }

  const tensor& weight(const std::string& name, const shape& expected) const {
    const tensor* stored = file_.find(name);
    if (!stored) complain(path_, "weights named " + name, "none");
    if (stored->shape() != expected) {
      complain(path_, name + " of shape " + to_string(expected) + ", as its configuration says",
               to_string(stored->shape()));
    }
    check_real(*stored, name);
    return *stored;
  }

  void check_real(const tensor& stored, const std::string& name) const {
    if (stored.type() == dtype::int32) complain(path_, name + " in real numbers", "whole ones");
  }

  void load(const nn::named_parameter& p) const { p.value.value().copy_from(weight(p.name, p.value.shape())); }

  long whole_number(const std::string& key) const {
    const std::string& text = metadata(key);
    long number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || end != text.data() + text.size() || number < 0) {
      complain(path_, "a whole number as " + key, "\"" + text + "\"");
    }
    return number;
  }

  checkpoint_facts facts() const try {
    return {.vocabulary = metadata("vocabulary"),
            .step = whole_number("step"),
            .validation_loss = std::strtod(metadata("validation_loss").c_str(), nullptr),
            .training = training_options_from_json(metadata("training"))};
  } catch (const file_error& error) {
    const std::string message = error.what();
    throw message.starts_with(path_.string()) ? error : file_error(path_.string() + ": " + message);
  }

  named_tensors training_state() const {
    named_tensors state;
    for (const auto& named : file_.tensors) {
      if (!named.first.starts_with(of_optimiser)) continue;
      check_real(named.second, named.first);
      state.push_back(named);
    }
    return state;
  }

  const std::filesystem::path& path_;
  tensor_file file_;
};

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const decoder& model, const checkpoint_facts& facts,
                     const named_tensors& state) {
  tensor_file file;
  for (const auto& p : nn::parameters_of(model)) file.tensors.emplace_back(p.name, p.value.value());
  file.tensors.insert(file.tensors.end(), state.begin(), state.end());
  file.metadata = {
      {"format", format},
      {"config", to_json(model.config())},
      {"vocabulary", facts.vocabulary},
      {"step", std::to_string(facts.step)},
      {"validation_loss", std::isnan(facts.validation_loss) ? "nan" : std::to_string(facts.validation_loss)},
      {"training", to_json(facts.training)}};
  write_safetensors(path, file);
}

checkpoint load_checkpoint(const std::filesystem::path& path) { return reader(path).read(); }

}  // namespace qkv
