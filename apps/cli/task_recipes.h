// Sizes and options with which `qkv train --task` reaches the goals of docs/learning.md on one core in minutes.
#pragma once
#include <string>

#include "qkv/models/decoder_config.h"
#include "qkv/train/options.h"

namespace qkv::cli {

struct task_recipe {
  decoder_config model;  ///< but for vocabulary and context; attention's positions
  training_options training;
  long held_out = 1000;  ///< examples
};

/// @param task  one that decoders learn
task_recipe recipe_of(const std::string& task);

}  // namespace qkv::cli
