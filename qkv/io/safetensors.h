// safetensors: named tensors and a few strings in one file, as Hugging Face's libraries read and write it.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "qkv/tensor/tensor.h"

namespace qkv {

struct tensor_file {
  std::vector<std::pair<std::string, tensor>> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor of this name, or a null pointer.  Cost: a walk over the names.
  const tensor* find(const std::string& name) const;
  /// Throws file_error "expected a tensor named ...; found ..." when there is none.
  const tensor& operator[](const std::string& name) const;
};

/// Writes float32, bfloat16, int32, int8 and float64 as they are; larger element types come first in the file, so that every
/// tensor is aligned.  Replaces the file in one step, or leaves it as it was.
/// @throws file_error  the disk is full, the folder is missing, ...
/// @throws shape_error  two tensors of one name, a tensor without storage, a name that is not UTF-8
void write_safetensors(const std::filesystem::path& path, const tensor_file& contents);

/// The tensors in the order of the file.  F32, BF16, I32, I8 and F64 as they are; F16 becomes float32 and I64 int32.
/// @throws file_error  one sentence: the file, what was expected, what was found.  No file, however broken, does more
///         harm than that.
/// Cost: each tensor's bytes are read once, straight to where they stay.
tensor_file read_safetensors(const std::filesystem::path& path);

}  // namespace qkv
