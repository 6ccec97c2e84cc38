// A language model as a command takes it: from a checkpoint, with the tokens it knows.
#pragma once
#include <filesystem>
#include <optional>

#include "qkv/models/encoder_config.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/train/checkpoint.h"

namespace qkv::cli {

/// Texts to tokens, as a model has learned them.
struct text_tokens {
  tokenizer all;
  std::optional<character_vocabulary> characters = {};  ///< where tokens are characters: it names those it knows
};

/// From what a checkpoint says of its vocabulary: the JSON of a character_vocabulary or a tokenizer.json.
text_tokens text_tokens_from_json(const std::string& json);

struct language_model {
  decoder model;
  text_tokens tokens;
  checkpoint_facts facts;
};

/// From a model's file or the folder of a training run.  Throws file_error: missing, cut short, or of another kind of
/// model.
language_model load_language_model(const std::filesystem::path& path);

/// The tokens of a text, at least one.  Throws usage_error, with the option's name, for a character that the model does
/// not know.
std::vector<std::int32_t> encode(const text_tokens& tokens, const std::string& option, std::string_view text,
                                 markers = markers::as_text);

/// The models that come with the program: a file of the folder models/ where it runs, or above the program's own.
/// Throws usage_error, which asks for --model, where there is none.
std::filesystem::path released_model(const std::string& name);

/// "0.80 million parameters".
std::string parameters_in_words(long parameters);

/// "4 layers of 4 heads, width 128, context 64, 0.8 million parameters".
std::string in_words(const decoder& model);
/// The same of an encoder: "encoder of 4 layers of ...".
std::string in_words(const encoder_config& config, long parameters);

}  // namespace qkv::cli
