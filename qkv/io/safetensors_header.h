// The header of a safetensors file: which tensors there are and where their bytes lie.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

enum class stored_type { float16, bfloat16, float32, float64, int8, int32, int64 };

struct stored_tensor {
  std::string name;
  stored_type type;
  shape sizes;
  std::uint64_t begin, end;  ///< bytes from the end of the header
};

struct safetensors_header {
  std::vector<stored_tensor> tensors;  ///< by offset
  std::map<std::string, std::string> metadata;
};

stored_type stored_type_of(dtype type);
std::uint64_t size_of(stored_type type);

/// The largest header; the format's own limit.
constexpr std::uint64_t largest_safetensors_header = 100'000'000;

/// Reads and checks the JSON of a file with `data_bytes` bytes behind its header: every tensor's bytes fit its shape
/// and type, and the tensors fill the data without gap or overlap.
/// @throws file_error  with the path
safetensors_header parse_safetensors_header(const std::filesystem::path& path, const std::string& text,
                                            std::uint64_t data_bytes);

/// The JSON, filled up with spaces to a multiple of eight bytes.  Throws shape_error when a string is not UTF-8.
std::string to_json(const safetensors_header& header);

}  // namespace qkv
