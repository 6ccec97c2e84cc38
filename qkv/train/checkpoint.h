// A model on disk: one safetensors file with weights, configuration, vocabulary and how far training has come.
//
// Metadata: format "qkv decoder 1", config (JSON), vocabulary (text, as the tokens room writes it), step,
// validation_loss, and training (JSON of the options) where the optimiser's state is stored as well.
#pragma once
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "qkv/models/decoder.h"
#include "qkv/train/optimiser.h"

namespace qkv {

/// What a checkpoint says beside the weights.
struct checkpoint_facts {
  std::string vocabulary = {};
  long step = 0;
  double validation_loss = std::numeric_limits<double>::quiet_NaN();
  training_options training = {};
};

struct checkpoint {
  decoder model;
  checkpoint_facts facts;
  /// What trainer::resume takes.  Empty where the file holds none: the model can be used, and trained from here with
  /// fresh moments.
  named_tensors training_state;
};

/// Writes all or nothing: an earlier checkpoint of that name stays whole until the new one is.
/// @param state  the trainer's, to resume with the same bits; without it a third of the size
/// @throws file_error  the disk is full, the folder is missing, ...
void save_checkpoint(const std::filesystem::path& path, const decoder& model, const checkpoint_facts& facts,
                     const named_tensors& state = {});

/// @throws file_error  one sentence: the file is missing, cut short, or not a checkpoint of this kind of model
checkpoint load_checkpoint(const std::filesystem::path& path);

}  // namespace qkv
