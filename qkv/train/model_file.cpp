#include "qkv/train/model_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace qkv {
namespace {

constexpr auto of_training = "optimiser.";
const std::string of_scale = ".scale";

[[noreturn]] void refuse_model(const std::filesystem::path& path, const std::string& expected,
                               const std::string& found) {
  throw file_error(path.string() + ": expected " + expected + "; found " + found);
}

void check_real(const std::filesystem::path& path, const tensor& stored, const std::string& name) {
  if (stored.type() == dtype::int32) refuse_model(path, name + " in real numbers", "whole ones");
}

/// A model of such weights would answer nonsense with a straight face.
void check_finite(const std::filesystem::path& path, const tensor& numbers, const std::string& name) {
  const std::string found = not_finite_in_words(numbers);
  if (found.empty()) return;
  refuse_model(path, "finite numbers as " + name,
               found + "; take another checkpoint, or train again (qkv inspect --tensors shows where they are)");
}

/// Adds a matrix in 8 bits with its scales, anything else as it is.
void add_narrow(tensor_file& file, const std::string& name, const tensor& weights) {
  if (weights.rank() != 2) return file.tensors.emplace_back(name, weights), void();
  const long rows = weights.dim(0), columns = weights.dim(1);
  const tensor narrow({rows, columns}, dtype::int8), scales({rows});
  for (long row = 0; row < rows; ++row) {
    const float* from = weights.select(0, row).data<float>();
    std::int8_t* to = narrow.select(0, row).data<std::int8_t>();
    float greatest = 0;
    for (long i = 0; i < columns; ++i) greatest = std::max(greatest, std::abs(from[i]));
    const float scale = greatest / 127;
    scales.at<float>(row) = scale;
    for (long i = 0; i < columns; ++i) to[i] = scale > 0 ? std::int8_t(std::lround(from[i] / scale)) : std::int8_t(0);
  }
  file.tensors.emplace_back(name, narrow);
  file.tensors.emplace_back(name + of_scale, scales);
}

tensor widened(const tensor& narrow, const tensor& scales) {
  const tensor weights = narrow.to(dtype::float32);
  for (long row = 0; row < weights.dim(0); ++row) {
    float* numbers = weights.select(0, row).data<float>();
    for (long i = 0; i < weights.dim(1); ++i) numbers[i] *= scales.at<float>(row);
  }
  return weights;
}

}  // namespace

void write_model(const std::filesystem::path& path, const std::string& format,
                 const std::vector<nn::named_parameter>& parameters, const std::map<std::string, std::string>& texts,
                 const training_facts& facts, const named_tensors& state, weight_storage storage) {
  tensor_file file;
  for (const auto& p : parameters) {
    if (storage == weight_storage::int8)
      add_narrow(file, p.name, p.value.value());
    else
      file.tensors.emplace_back(p.name, p.value.value());
  }
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

tensor model_reader::weight(const std::string& name, const shape& expected) const {
  const tensor* stored = file_.find(name);
  if (!stored) refuse_model(path_, "weights named " + name, "none");
  if (stored->shape() != expected)
    refuse_model(path_, name + " of shape " + to_string(expected) + ", as its configuration says",
                 to_string(stored->shape()));
  check_real(path_, *stored, name);
  if (stored->type() != dtype::int8) return *stored;
  const tensor* scales = file_.find(name + of_scale);
  if (!scales || stored->rank() != 2 || scales->shape() != shape{expected[0]} || scales->type() != dtype::float32)
    refuse_model(path_, "a scale for each row of " + name, scales ? to_string(scales->shape()) : "none");
  check_finite(path_, *scales, name + of_scale);
  return widened(*stored, *scales);
}

void model_reader::load(const std::vector<nn::named_parameter>& parameters) const {
  for (const auto& p : parameters) {
    p.value.value().copy_from(weight(p.name, p.value.shape()));
    check_finite(path_, p.value.value(), p.name);
  }
  const auto known = [&](const std::string& name) {
    return std::ranges::find(parameters, name, &nn::named_parameter::name) != parameters.end();
  };
  for (const auto& [name, value] : file_.tensors) {
    const bool scale = name.ends_with(of_scale) && known(name.substr(0, name.size() - of_scale.size()));
    if (!scale && !known(name) && !name.starts_with(of_training))
      refuse_model(path_, "only weights that its configuration uses", name);
  }
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
