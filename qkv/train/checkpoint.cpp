#include "qkv/train/checkpoint.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "qkv/io/safetensors.h"

namespace qkv {
namespace {

constexpr auto format = "qkv decoder 1";

[[noreturn]] void complain(const std::filesystem::path& path, const std::string& expected, const std::string& found) {
  throw file_error(path.string() + ": expected " + expected + "; found " + found);
}

/// Reads a checkpoint, and says of every error which file it is in.
class reader {
 public:
  explicit reader(const std::filesystem::path& path) : path_(path), file_(read_safetensors(path)) {
    if (metadata("format") != format) complain(path_, "a checkpoint of " + std::string(format), "\"" + metadata("format") + "\"");
  }

  checkpoint read() const {
    decoder model = empty_model();
    for (const auto& p : nn::parameters_of(model)) load(p);
    return {std::move(model), facts(), optimiser_state()};
  }

 private:
  const std::string& metadata(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) complain(path_, "a checkpoint written by qkv", "no " + key + " in its metadata");
    return found->second;
  }

  decoder empty_model() const try {
    return decoder(decoder_config_from_json(metadata("config")));
  } catch (const std::exception& error) {
    throw file_error(path_.string() + ": " + error.what());
  }

  void load(const nn::named_parameter& p) const {
    const tensor* stored = file_.find(p.name);
    if (!stored) complain(path_, "weights named " + p.name, "none");
    if (stored->shape() != p.value.shape()) {
      complain(path_, p.name + " of shape " + to_string(p.value.shape()) + ", as its configuration says",
               to_string(stored->shape()));
    }
    p.value.value().copy_from(*stored);
  }

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

  std::vector<std::pair<std::string, tensor>> optimiser_state() const {
    std::vector<std::pair<std::string, tensor>> state;
    for (const auto& named : file_.tensors) {
      if (named.first.starts_with("optimiser.")) state.push_back(named);
    }
    return state;
  }

  const std::filesystem::path& path_;
  tensor_file file_;
};

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const decoder& model, const checkpoint_facts& facts,
                     const optimiser* state) {
  tensor_file file;
  for (const auto& p : nn::parameters_of(model)) file.tensors.emplace_back(p.name, p.value.value());
  if (state) {
    for (auto& moment : state->state()) file.tensors.push_back(std::move(moment));
  }
  file.metadata = {{"format", format},
                   {"config", to_json(model.config())},
                   {"vocabulary", facts.vocabulary},
                   {"step", std::to_string(facts.step)},
                   {"validation_loss", std::isnan(facts.validation_loss) ? "nan" : std::to_string(facts.validation_loss)},
                   {"training", to_json(facts.training)}};
  write_safetensors(path, file);
}

checkpoint load_checkpoint(const std::filesystem::path& path) { return reader(path).read(); }

}  // namespace qkv
