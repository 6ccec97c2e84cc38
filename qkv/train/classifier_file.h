// A classifier on disk: one safetensors file with weights, configuration, the classes' names, how pictures and sounds
// are to be read, and how far training has come.
//
// Metadata: format "qkv classifier 1", config, classes (a JSON list), picture and sound (JSON; missing where it reads
// none), step, validation_loss, accuracy and training (JSON of the options).
#pragma once
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "qkv/models/encoder_classifier.h"
#include "qkv/tokens/reading.h"
#include "qkv/train/named_state.h"
#include "qkv/train/options.h"

namespace qkv {

/// What the file says beside the weights.
struct classifier_facts {
  std::vector<std::string> classes = {};
  std::optional<picture_reading> picture = {};
  std::optional<sound_reading> sound = {};
  long step = 0;
  double validation_loss = std::numeric_limits<double>::quiet_NaN();
  double accuracy = std::numeric_limits<double>::quiet_NaN();
  training_options training = {};
};

struct stored_classifier {
  encoder_classifier model;
  classifier_facts facts;
  named_tensors training_state;  ///< what trainer::resume takes; empty where the file holds none
};

/// Writes all or nothing: an earlier file of that name stays whole until the new one is.
/// @throws file_error; shape_error where the facts do not fit the model
void save_classifier(const std::filesystem::path& path, const encoder_classifier& model, const classifier_facts& facts,
                     const named_tensors& state = {});

/// @throws file_error  one sentence: the file is missing, cut short, or not a classifier
stored_classifier load_classifier(const std::filesystem::path& path);

}  // namespace qkv
