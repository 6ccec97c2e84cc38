// What `qkv evaluate` is told, and the kinds of models that it can be told about.
#pragma once
#include <cstdint>
#include <optional>

#include "apps/cli/command.h"

namespace qkv::cli {

struct evaluate_flags {
  std::string model;
  // A text, for a language model, masked or not.
  std::string text;
  bool held_out = false;  ///< only its last tenth
  long stride = 0;        ///< tokens from window to window; 0: the context
  std::optional<std::uint64_t> seed;  ///< of the holes of a masked one; none: that of its training
  // Texts and their translations.
  std::string source, target;
  long beam = 5;
  bool skip_bad_lines = false;  ///< of these texts, and of texts with classes
  // Texts with classes, pictures and sounds.
  std::string labelled, images, sounds;
  std::vector<std::string> classes;  ///< names in place of the data's
  bool all = false;  ///< what was learned from too
};

void evaluate_language_model(const evaluate_flags& flags, const output_options& output);
void evaluate_masked_model(const evaluate_flags& flags, const output_options& output);
void evaluate_translator(const evaluate_flags& flags, const output_options& output);
void evaluate_classifier(const evaluate_flags& flags, const output_options& output);

}  // namespace qkv::cli
