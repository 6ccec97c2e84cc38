// What `qkv train` is told, and the kinds of training that it can be told to do.
#pragma once
#include <optional>

#include "apps/cli/training_run.h"
#include "qkv/models/decoder_config.h"
#include "qkv/models/encoder_config.h"
#include "qkv/models/recurrent_translator_config.h"

namespace qkv {
struct task;
}

namespace qkv::cli {

/// Sizes that are not given are those of the kind of model, or of the preset.
struct size_flags {
  std::optional<long> layers, heads, width, hidden, context;
  std::optional<double> dropout;

  template <class Config>
  void set_shared(Config& config) const {
    if (heads) config.heads = *heads;
    if (width) config.width = *width;
    if (hidden) config.hidden = *hidden;
    if (context) config.context = *context;
    if (dropout) config.dropout = *dropout;
  }
};

/// What a transformer is made of.  What is not given is as in the kind of model, or in the task's recipe.
struct choice_flags {
  std::optional<nn::mixer_kind> mixer;
  std::optional<long> taps, position_range;
  std::optional<nn::position_kind> positions;
  std::optional<nn::norm_place> norms;
  std::optional<nn::norm_kind> norm;
  std::optional<nn::feed_forward_kind> feed_forward;
  std::optional<qkv::pooling> pooling;  ///< of classifiers

  /// Of any transformer.
  template <class Config>
  void set_shared(Config& config) const {
    if (positions) config.positions = *positions;
    if (norms) config.norms = *norms;
    if (norm) config.norm = *norm;
    if (feed_forward) config.feed_forward = *feed_forward;
  }
  /// Of one whose blocks take any mixer: a decoder or an encoder by itself.
  template <class Config>
  void set_all(Config& config) const {
    set_shared(config);
    if (mixer) config.mixer = *mixer;
    if (taps) config.taps = *taps;
    if (position_range) config.position_range = *position_range;
  }
};

struct train_flags {
  run_options run;
  size_flags sizes;
  choice_flags choices;
  // A task whose examples are made up (qkv/tasks/tasks.h).
  std::string task;
  std::optional<long> task_length;
  // A text to continue.
  std::string text;
  bool masked = false;  ///< to fill its holes instead
  std::string field;  ///< of the lines of JSON that the text is in; empty: it is a text itself
  decoder_config language_model;  ///< what only models that write know
  bool separate_head = false;
  // Texts and their translations.
  std::string source, target, validation_source, validation_target;
  std::string tokens;  ///< empty: characters of a text to continue, byte pairs of translations
  std::string pairs, validation_pairs;  ///< both in one file
  std::string source_field = "source", target_field = "target";
  long vocabulary = 6000;
  bool separate_vocabularies = false, lower_case = false;
  bool skip_bad_lines = false;
  bool recurrent = false;  ///< a recurrent translator in place of a transformer
  alignment_kind alignment = alignment_kind::additive;
  recurrent_cell cell = recurrent_cell::gru;
  bool one_direction = false;  ///< its encoder reads from the beginning only
  std::string labelled;  ///< texts to tell apart, a line each: the class, a tab, the text
  // Pictures and sounds to tell apart; both: does a picture show what a sound says?
  std::string images, sounds, validation_images, validation_sounds;
  std::vector<std::string> classes;  ///< names in place of the folder's; empty: those
  long picture_size = 32;            ///< of PNG and JPEG
  long patch = 4;
  bool flip = false;
};

void train_task(const train_flags& flags, const output_options& output);
/// A task that is one of translation.
void train_translator_on(const task& which, const train_flags& flags, const output_options& output);
void train_language_model(const train_flags& flags, const output_options& output);
void train_masked_language_model(const train_flags& flags, const output_options& output);
void train_translator(const train_flags& flags, const output_options& output);
void train_classifier(const train_flags& flags, const output_options& output);

}  // namespace qkv::cli
