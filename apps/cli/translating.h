// Many texts through a translator, and how good what it says is: shared by translating and evaluating.
#pragma once
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "qkv/generate/translate.h"
#include "qkv/train/translator.h"

namespace qkv::cli {

/// Tokens of every text; one that is longer than the model's context is refused by its line.
std::vector<std::vector<std::int32_t>> tokens_of(const tokenizer& side, long context,
                                                 const std::vector<std::string>& texts);

struct translated {
  std::vector<std::string> said;
  std::vector<translation> raw;
  double seconds = 0;
};

/// An empty line stays empty.
translated translate_all(const translator& t, const std::vector<std::vector<std::int32_t>>& tokens,
                         translation_options how, const output_options& output);

/// BLEU of the words as they are and in lower case, and chrF.
nlohmann::ordered_json scores_of(const std::vector<std::string>& said, const std::vector<std::string>& meant);

}  // namespace qkv::cli
