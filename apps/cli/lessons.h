// What a classifier learns from and is tested on, as the options name it.
#pragma once
#include <memory>

#include "apps/cli/classifier_data.h"
#include "apps/cli/train_flags.h"
#include "qkv/train/classifier.h"

namespace qkv::cli {

/// What is learned from, validated on and tested on, and how a model reads it.
struct lessons {
  std::unique_ptr<labelled_examples> learn, validate, test;
  classifier_senses senses;
  bool named = true;        // whether the data or --classes name the classes, in place of numbers
  long tokens = 1;          // of the longest example, with the class token
  picture_folder pictures;  // whose examples pairs are made of
  sound_folder sounds;
};

/// Texts, pictures, sounds, or questions about pictures and sounds.
/// @param as  sounds are heard and texts are read as that model does it; null: as they suggest themselves
/// @throws usage_error where classes do not fit together; file_error
lessons read_lessons(const train_flags& flags, const classifier_senses* as = nullptr);

}  // namespace qkv::cli
