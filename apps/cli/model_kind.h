// The kinds of models that `qkv train` writes, and what each is for.
#pragma once
#include <filesystem>
#include <string>

namespace qkv::cli {

enum class model_kind { language_model, masked_language_model, translator, classifier };

/// Of the model in a file.   @throws file_error where `qkv train` did not write it
model_kind kind_of(const std::filesystem::path& file);

/// "a translator".
std::string in_words(model_kind kind);

/// What a file holds and the commands for it: "a classifier of pictures, for qkv classify, evaluate and attend".
std::string kind_and_use_of(const std::filesystem::path& file);

/// @throws file_error "clothes.safetensors: expected a translator; found a classifier of pictures, for qkv ..."
void expect_kind(const std::filesystem::path& file, model_kind kind);

}  // namespace qkv::cli
