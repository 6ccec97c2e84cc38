// What is in a file of tensors: kind, configuration, parameters by module, numbers of each tensor.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "qkv/io/safetensors.h"

namespace qkv::cli {

/// Tensors of one module, or of one layer: "blocks.0", "tokens".
struct module_summary {
  std::string name;
  long tensors = 0, numbers = 0;
  double bytes = 0;
  std::string types;  ///< "float32", "int8 and float32"
};

/// In the order of the file's names; scales of weights in 8 bits count as bytes, not as parameters; the optimiser's
/// state is one module, "optimiser", which is last.
std::vector<module_summary> modules_of(const tensor_file& file);
/// The parameters of all modules, without the optimiser's state.
long parameters_of(const std::vector<module_summary>& modules);

struct tensor_numbers {
  double least = 0, greatest = 0, mean = 0, deviation = 0;  ///< of those that are numbers
  long not_numbers = 0, infinite = 0;
};
tensor_numbers numbers_of(const tensor& t);

/// The kind of model that a format names, in words: "language model (decoder)".
std::string kind_in_words(const std::string& format);

}  // namespace qkv::cli
