// A translator: a model from text to text with the tokenizers of both sides, in memory and on disk.
//
//     translator de_en = load_translator("de-en.safetensors");
//     de_en.translate({"Ein Hund rennt."}, {.beam = 5});
//
// On disk (qkv/train/model_file.h): format "qkv encoder-decoder 1" or "qkv recurrent translator 1"; source_tokenizer and target_tokenizer as
// tokenizer.json.
#pragma once
#include <memory>

#include "qkv/models/encoder_decoder.h"
#include "qkv/models/recurrent_translator.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/train/model_file.h"
#include "qkv/train/translation_task.h"

namespace qkv {

struct translator {
  std::unique_ptr<sequence_to_sequence> model;
  tokenizer source, target;
  training_facts facts = {};
  named_tensors training_state = {};  ///< what trainer::resume takes; empty where the file holds none

  /// The tokens between which a translation stands: the target's <s> and </s>.
  text_frame frame() const;
};

/// Lines of text and of their translations, as tokens.
parallel_tokens tokens_of(const tokenizer& source, const tokenizer& target, std::span<const std::string> texts,
                          std::span<const std::string> translations);

/// Writes all or nothing.   @throws file_error
void save_translator(const std::filesystem::path& path, const sequence_to_sequence& model, const tokenizer& source,
                     const tokenizer& target, const training_facts& facts, const named_tensors& state = {},
                     weight_storage storage = weight_storage::float32);
/// Whether a file of this format is a translator.
bool is_translator(const std::string& format);
/// @throws file_error  one sentence: the file is missing, cut short, or not a translator
translator load_translator(const std::filesystem::path& path);

}  // namespace qkv
