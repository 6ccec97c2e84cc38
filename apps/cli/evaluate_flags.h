// What `qkv evaluate` is told, and the kinds of models that it can be told about.
#pragma once
#include "apps/cli/command.h"

namespace qkv::cli {

struct evaluate_flags {
  std::string model;
  // A text, for a language model.
  std::string text;
  bool held_out = false;  ///< only its last tenth
  long stride = 0;        ///< tokens from window to window; 0: the context
  // Texts and their translations.
  std::string source, target;
  long beam = 5;
  // Texts with classes, pictures and sounds.
  std::string labelled, images, sounds;
  bool all = false;  ///< what was learned from too
};

void evaluate_language_model(const evaluate_flags& flags, const output_options& output);
void evaluate_translator(const evaluate_flags& flags, const output_options& output);
void evaluate_classifier(const evaluate_flags& flags, const output_options& output);

}  // namespace qkv::cli
