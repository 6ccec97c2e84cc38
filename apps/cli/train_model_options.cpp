#include "apps/cli/train_model_options.h"

#include <algorithm>
#include <array>

#include "qkv/models/config_words.h"

namespace qkv::cli {
namespace {

const auto number = CLI::Range(0L, 1L << 20);

/// An option that is one of several words, in the order of an enum.  @param choice  of the enum, or optional
template <class Enum, class Choice, std::size_t N>
CLI::Option* add_words(CLI::App& command, const char* name, Choice& choice, const std::array<const char*, N>& words,
                       const char* description) {
  const std::vector<std::string> all(words.begin(), words.end());
  const auto choose = [&choice, all](const std::string& word) {
    choice = Enum(std::find(all.begin(), all.end(), word) - all.begin());
  };
  return command.add_option_function<std::string>(name, choose, description)->check(CLI::IsMember(all));
}

/// One that has a default of its own.
template <class Enum, std::size_t N>
CLI::Option* add_choice(CLI::App& command, const char* name, Enum& choice, const std::array<const char*, N>& words,
                        const char* description) {
  return add_words<Enum>(command, name, choice, words, description)->default_str(words[std::size_t(choice)]);
}

/// One whose default is that of the kind of model.
template <class Enum, std::size_t N>
CLI::Option* add_choice(CLI::App& command, const char* name, std::optional<Enum>& choice,
                        const std::array<const char*, N>& words, const char* description) {
  return add_words<Enum>(command, name, choice, words, description);
}

}  // namespace

std::vector<CLI::Option*> add_sizes(CLI::App& program, size_flags& sizes) {
  CLI::App& group = *program.add_option_group("Model");
  return {group.add_option("--layers", sizes.layers, "Layers, on each side of a translator")
              ->check(CLI::Range(1L, 1024L)),
          group.add_option("--heads", sizes.heads, "Heads of a layer")->check(CLI::Range(1L, 1024L)),
          group.add_option("--width", sizes.width, "Width of the model, a multiple of the heads")
              ->check(CLI::Range(1L, 1L << 16)),
          group.add_option("--hidden", sizes.hidden, "Width of the feed-forward layers; none: four times the model's")
              ->check(CLI::Range(1L, 1L << 18)),
          group.add_option("--context", sizes.context, "Tokens that it can look back on")
              ->check(CLI::Range(1L, 1L << 20)),
          group.add_option("--dropout", sizes.dropout, "Share of numbers dropped while training")
              ->check(CLI::Range(0.0, 0.99))};
}

std::vector<CLI::Option*> add_choices(CLI::App& program, choice_flags& choices) {
  CLI::App& group = *program.add_option_group("Parts of the model");
  return {add_choice(group, "--mixer", choices.mixer, mixer_words, "How tokens learn of each other; none: attention"),
          group.add_option("--taps", choices.taps, "Tokens that the mixer convolution sees")
              ->check(CLI::Range(1L, 1L << 20)),
          add_choice(group, "--positions", choices.positions, position_words,
                     "How places are told; none: learned, for translators sinusoidal"),
          group.add_option("--position-range", choices.position_range,
                           "Buckets of relative, distances of local positions; 0: 32 and 16")
              ->check(number),
          add_choice(group, "--norms", choices.norms, norm_place_words,
                     "Norms before each branch, or after its sum as in the first transformer; none: before"),
          add_choice(group, "--norm", choices.norm, norm_words, "Which norm; none: layer_norm"),
          add_choice(group, "--feed-forward", choices.feed_forward, feed_forward_words,
                     "Between the two products of a feed-forward layer; none: gelu, for translators relu"),
          add_choice(group, "--pooling", choices.pooling, pooling_words,
                     "What stands for the whole of what is told apart: a token before it, or the mean of all; none: "
                     "class_token with attention, mean with other mixers")};
}

std::vector<CLI::Option*> add_options_of_decoders(CLI::App& program, train_flags& flags) {
  decoder_config& model = flags.language_model;
  CLI::App& group = *program.add_option_group("Language models");
  return {group.add_option("--window", model.window, "Tokens see that many latest ones; 0: all before them")
              ->check(number)
              ->capture_default_str(),
          group.add_option("--key-heads", model.key_heads, "Heads of keys and values, shared in groups; 0: all")
              ->check(number)
              ->capture_default_str(),
          add_choice(group, "--shared-projections", model.shared_projections, shared_projections_words,
                     "Which of the projections of attention are one"),
          group.add_option("--query-context", model.query_context,
                           "Queries see that many latest tokens through a filter; 0: their own")
              ->check(number)
              ->capture_default_str(),
          group.add_flag("--adapted-keys", model.adapted_keys, "Keys adapt to the query, in a second pass"),
          group.add_flag("--separate-head", flags.separate_head,
                         "What tells the next token has weights of its own, not the embedding's")};
}

std::vector<CLI::Option*> add_recurrent(CLI::App& program, train_flags& flags) {
  CLI::App& group = *program.add_option_group("Recurrent translators");
  return {add_choice(group, "--alignment", flags.alignment,
                     std::array{"none", "additive", "dot", "general", "concat"},
                     "A recurrent network that looks at the text so, or not at all, in place of a transformer")
              ->default_str(""),
          add_choice(group, "--cell", flags.cell, std::array{"rnn", "gru", "lstm"}, "Its cell; --hidden: its units"),
          group.add_flag("--one-direction", flags.one_direction,
                         "It reads from the beginning only, not from both ends")};
}

}  // namespace qkv::cli
