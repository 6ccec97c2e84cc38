#include "qkv/train/model_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace qkv {
namespace {

constexpr auto of_training = "optimiser.";

[[noreturn]] void refuse_model(const std::filesystem::path& path, const std::string& expected,
                               const std::string& found) {
  throw file_error(path.string() + ": expected " + expected + "; found " + found);
}

void check_real(const std::filesystem::path& path, const tensor& stored, const std::string& name) {
  if (stored.type() == dtype::int32) refuse_model(path, name + " in real numbers", "whole ones");
}

}  // namespace

void write_model(const std::filesystem::path& path, const std::string& format,
                 const std::vector<nn::named_parameter>& parameters, const std::map<std::string, std::string>& texts,
                 const training_facts& facts, const named_tensors& state) {
  tensor_file file;
  for (const auto& p : parameters) file.tensors.emplace_back(p.name, p.value.value());
  file.tensors.insert(file.tensors.end(), state.begin(), state.end());
  file.metadata = texts;
  file.metadata["format"] = format;
  file.metadata["step"] = std::to_string(facts.step);
  file.metadata["validation_loss"] =
      std::isnan(facts.validation_loss) ? "nan" : std::to_string(facts.validation_loss);
  file.metadata["training"] = to_json(facts.training);
  write_safetensors(path, file);
}

model_reader::model_reader(const std::filesystem::path& path) : path_(path), file_(read_safetensors(path)) {}

void model_reader::expect_format(const std::string& expected) const {
  if (format() != expected) refuse_model(path_, "a checkpoint of " + expected, "\"" + format() + "\"");
}

const std::string& model_reader::text(const std::string& name) const {
  const auto found = file_.metadata.find(name);
  if (found == file_.metadata.end())
    refuse_model(path_, "a checkpoint written by qkv", "no " + name + " in its metadata");
  return found->second;
}

void model_reader::complain(const std::string& message) const {
  throw file_error(message.starts_with(path_.string()) ? message : path_.string() + ": " + message);
}

training_facts model_reader::facts() const {
  const std::string& step = text("step");
  training_facts facts;
  const auto [end, problem] = std::from_chars(step.data(), step.data() + step.size(), facts.step);
  if (problem != std::errc() || end != step.data() + step.size() || facts.step < 0)
    refuse_model(path_, "a whole number as step", "\"" + step + "\"");
  facts.validation_loss = std::strtod(text("validation_loss").c_str(), nullptr);
  facts.training = in_this_file([&] { return training_options_from_json(text("training")); });
  return facts;
}

const tensor& model_reader::weight(const std::string& name, const shape& expected) const {
  const tensor* stored = file_.find(name);
  if (!stored) refuse_model(path_, "weights named " + name, "none");
  if (stored->shape() != expected)
    refuse_model(path_, name + " of shape " + to_string(expected) + ", as its configuration says",
                 to_string(stored->shape()));
  check_real(path_, *stored, name);
  return *stored;
}

void model_reader::load(const std::vector<nn::named_parameter>& parameters) const {
  for (const auto& p : parameters) p.value.value().copy_from(weight(p.name, p.value.shape()));
  for (const auto& [name, value] : file_.tensors)
    if (!name.starts_with(of_training) &&
        std::ranges::find(parameters, name, &nn::named_parameter::name) == parameters.end())
      refuse_model(path_, "only weights that its configuration uses", name);
}

named_tensors model_reader::training_state() const {
  named_tensors state;
  for (const auto& named : file_.tensors) {
    if (!named.first.starts_with(of_training)) continue;
    check_real(path_, named.second, named.first);
    state.push_back(named);
  }
  return state;
}

}  // namespace qkv
