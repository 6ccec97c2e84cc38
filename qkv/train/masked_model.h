// A masked language model with its tokenizer, in memory and on disk.
//
// On disk (qkv/train/model_file.h): format "qkv masked language model 1"; tokenizer as tokenizer.json, with the special
// token [MASK].
#pragma once
#include "qkv/models/masked_language_model.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/train/model_file.h"

namespace qkv {

/// The special token that stands for a hole.
inline constexpr const char* mask_token = "[MASK]";

struct masked_model {
  masked_language_model model;
  tokenizer tokens;
  training_facts facts = {};
  named_tensors training_state = {};  ///< what trainer::resume takes; empty where the file holds none
};

/// How its texts are masked: special tokens are neither asked for nor put in.
masking_options masking_for(const tokenizer& tokens);

/// Writes all or nothing.   @throws file_error
void save_masked_model(const std::filesystem::path& path, const masked_language_model& model, const tokenizer& tokens,
                       const training_facts& facts, const named_tensors& state = {},
                       weight_storage storage = weight_storage::float32);
/// @throws file_error  one sentence: the file is missing, cut short, or not such a model
masked_model load_masked_model(const std::filesystem::path& path);

}  // namespace qkv
