#include "apps/cli/model_summary.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <set>

namespace qkv::cli {
namespace {

constexpr const char* of_training = "optimiser";

/// "blocks.0" of "blocks.0.norm1.weight", "tokens" of "tokens.weight".
std::string module_of(const std::string& name) {
  const std::size_t first = name.find('.');
  if (first == std::string::npos || name.starts_with("optimiser.")) return name.substr(0, first);
  const std::size_t second = name.find('.', first + 1);
  const bool numbered =
      second != std::string::npos && std::all_of(name.begin() + long(first) + 1, name.begin() + long(second),
                                                 [](unsigned char c) { return std::isdigit(c); });
  return name.substr(0, numbered ? second : first);
}

/// Whether a tensor holds the scales of another's rows.
bool is_scale(const tensor_file& file, const std::string& name) {
  if (!name.ends_with(".scale")) return false;
  const tensor* scaled = file.find(name.substr(0, name.size() - 6));
  return scaled && scaled->type() == dtype::int8;
}

}  // namespace

std::vector<module_summary> modules_of(const tensor_file& file) {
  std::vector<module_summary> all;
  std::vector<std::set<std::string>> types;
  auto names = file.tensors;
  std::ranges::stable_sort(names, {}, [](const auto& named) { return module_of(named.first) == of_training; });
  for (const auto& [name, value] : names) {
    const std::string module = module_of(name);
    auto place = std::ranges::find(all, module, &module_summary::name);
    if (place == all.end()) {
      all.push_back({.name = module, .types = {}});
      types.emplace_back();
      place = all.end() - 1;
    }
    types[std::size_t(place - all.begin())].insert(name_of(value.type()));
    place->bytes += double(value.size()) * double(size_of(value.type()));
    if (is_scale(file, name)) continue;
    ++place->tensors;
    place->numbers += value.size();
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    for (const std::string& type : types[i]) all[i].types += (all[i].types.empty() ? "" : ", ") + type;
  return all;
}

long parameters_of(const std::vector<module_summary>& modules) {
  long sum = 0;
  for (const module_summary& one : modules)
    if (one.name != of_training) sum += one.numbers;
  return sum;
}

tensor_numbers numbers_of(const tensor& t) {
  const tensor all = t.to(dtype::float64).to_contiguous();
  tensor_numbers numbers{.least = std::numeric_limits<double>::infinity(),
                         .greatest = -std::numeric_limits<double>::infinity()};
  double count = 0, squares = 0;
  for (const double x : all.values<double>()) {
    if (std::isnan(x)) {
      ++numbers.not_numbers;
      continue;
    }
    if (std::isinf(x)) ++numbers.infinite;
    numbers.least = std::min(numbers.least, x);
    numbers.greatest = std::max(numbers.greatest, x);
    // Welford's update: no difference of large sums.
    const double before = x - numbers.mean;
    numbers.mean += before / ++count;
    squares += before * (x - numbers.mean);
  }
  if (count == 0)
    return {.least = NAN, .greatest = NAN, .mean = NAN, .deviation = NAN, .not_numbers = numbers.not_numbers};
  numbers.deviation = std::sqrt(squares / count);
  return numbers;
}

std::string kind_in_words(const std::string& format) {
  if (format.starts_with("qkv decoder")) return "language model, a decoder";
  if (format.starts_with("qkv encoder-decoder")) return "translator, an encoder and a decoder";
  if (format.starts_with("qkv recurrent translator")) return "translator, a recurrent network";
  if (format.starts_with("qkv classifier")) return "classifier, an encoder";
  if (format.starts_with("qkv masked language model")) return "masked language model, an encoder";
  return format.empty() ? "tensors of another program" : "tensors of the format \"" + format + "\"";
}

}  // namespace qkv::cli
