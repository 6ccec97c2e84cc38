// A model as a command takes it: from a checkpoint, with the characters it knows.
#pragma once
#include <filesystem>

#include "qkv/tokens/characters.h"
#include "qkv/train/checkpoint.h"

namespace qkv::cli {

struct character_model {
  decoder model;
  character_vocabulary vocabulary;
  checkpoint_facts facts;
};

/// From a model's file or the folder of a training run.  Throws file_error: missing, cut short, or of another kind of
/// model.
character_model load_character_model(const std::filesystem::path& path);

/// The tokens of a text.  Throws usage_error, with the option's name, for a character that the model does not know.
std::vector<std::int32_t> encode(const character_vocabulary& vocabulary, const std::string& option,
                                 const std::string& text);

/// "0.80 million parameters".
std::string parameters_in_words(long parameters);

/// "4 layers of 4 heads, width 128, context 64, 0.8 million parameters".
std::string in_words(const decoder& model);

}  // namespace qkv::cli
