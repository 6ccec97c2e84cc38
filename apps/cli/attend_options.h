// What `qkv attend` is told, and the kinds of models whose attention it shows.
#pragma once
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/heat_map.h"
#include "qkv/nn/token_mixer.h"
#include "qkv/train/classifier.h"

namespace qkv::cli {

struct attend_options {
  std::string model, text, text_file;
  std::string target;                   ///< of a translator: the translation, in place of its own
  std::string image, sound;             ///< of a classifier
  long layer = 0, head = 0, token = 0;  ///< counted from 1; 0: all, and the last token
  bool heads = false, rollout = false;  ///< told in numbers, without a T x T matrix
  std::string html, svg, png;
};

/// How the decoder of a translator looks at the text.
void attend_translator(const attend_options& options, const output_options& output);
/// What a classifier of pictures or sounds looks at in one.
void attend_classifier(const classifier& c, const attend_options& options, const output_options& output);

/// @throws usage_error where another mixer is in the place of attention, so that there are no heads to look at
void need_attention(nn::mixer_kind mixer);

/// Says now, and not after the work, that one of the files cannot be written.
void check_files_can_be_written(const attend_options& options);

/// Writes the files that were asked for, and says so of each where it `speaks`.
void save_pictures(const attend_options& options, const attention_map& map, const head_choice& choice,
                   const std::string& facts, bool speaks);
void say_saved(const std::string& path, const std::string& what, bool speaks);

/// A head's numbers, by name.
nlohmann::ordered_json as_json(const head_statistics& s);
/// The chosen heads: their numbers and all weights.
nlohmann::ordered_json heads_as_json(const attention_map& map, const head_choice& choice);

}  // namespace qkv::cli
