// A classifier: a model with the names of its classes and how it reads texts, pictures and sounds, in memory and on
// disk.
//
//     const classifier clothes = load_classifier("clothes.safetensors");
//     const encoder_example shoe{.patches = patches_read(read_image("shoe.png"), *clothes.senses.picture)};
//     clothes.model.probabilities(clothes.model.join({&shoe, 1}));
//
// On disk (qkv/train/model_file.h): format "qkv classifier 1"; classes as a JSON list; picture and sound as JSON, and
// tokenizer as tokenizer.json, empty where it reads none.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "qkv/models/encoder_classifier.h"
#include "qkv/tokens/reading.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/train/model_file.h"

namespace qkv {

/// What a model was taught to read, and what its answers are called.
struct classifier_senses {
  std::vector<std::string> classes;
  std::optional<picture_reading> picture = {};
  std::optional<sound_reading> sound = {};
  std::optional<tokenizer> text = {};
};

struct classifier {
  encoder_classifier model;
  classifier_senses senses;
  training_facts facts = {};
  named_tensors training_state = {};  ///< what trainer::resume takes; empty where the file holds none
};

/// Writes all or nothing.   @throws file_error; shape_error where the senses do not fit the model
void save_classifier(const std::filesystem::path& path, const encoder_classifier& model,
                     const classifier_senses& senses, const training_facts& facts, const named_tensors& state = {},
                     weight_storage storage = weight_storage::float32);
/// @throws file_error  one sentence: the file is missing, cut short, or not a classifier
classifier load_classifier(const std::filesystem::path& path);

}  // namespace qkv
