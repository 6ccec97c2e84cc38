#include "apps/cli/train_belongings.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "apps/cli/command.h"

namespace qkv::cli {
namespace {

using names = std::vector<std::string>;

/// Options that only mean something to some training, and the options of which one makes it that.
struct belonging {
  names options, to;
};

const std::vector<belonging>& belongings() {
  static const std::vector<belonging> all{
      {{"--mixer", "--taps", "--window", "--positions", "--position-range", "--key-heads", "--shared-projections",
        "--query-context", "--adapted-keys", "--separate-head"},
       {"--text", "--task"}},
      {{"--field"}, {"--text"}},
      {{"--masked"}, {"--text"}},
      {{"--tokens", "--vocabulary", "--lower-case"}, {"--text", "--source", "--pairs", "--labelled"}},
      {{"--separate-vocabularies"}, {"--source", "--pairs"}},
      {{"--batch-tokens", "--alignment", "--cell"}, {"--source", "--pairs", "--task"}},
      {{"--source-field", "--target-field"}, {"--pairs"}},
      {{"--skip-bad-lines"}, {"--source", "--pairs", "--field", "--labelled"}},
      {{"--context"}, {"--text", "--source", "--pairs", "--labelled", "--task"}},
      {{"--label-smoothing"}, {"--source", "--pairs", "--images", "--sounds", "--labelled", "--task"}},
      {{"--picture-size", "--patch", "--flip"}, {"--images"}},
      {{"--classes"}, {"--images", "--sounds", "--labelled"}}};
  return all;
}

bool is_given(const CLI::App& command, const std::string& option) { return command.get_option(option)->count() > 0; }

/// The options of which one would have to be given; none where the option means something as it is.
names missing_for(const CLI::App& command, const std::string& option) {
  const auto given = [&](const std::string& name) { return is_given(command, name); };
  for (const belonging& some : belongings())
    if (std::ranges::find(some.options, option) != some.options.end() && std::ranges::none_of(some.to, given))
      return some.to;
  return {};
}

bool heads_of_a_recurrent_network(const CLI::App& command, const std::string& option) {
  return option == "--heads" && (is_given(command, "--alignment") || is_given(command, "--cell"));
}

/// What an option only means something to is the value of another one, given or not.
struct setting {
  std::string option, of, value;
  names useful;  ///< the values that use it
};

/// What texts are cut into where nothing is said, as far as it has no vocabulary to learn.
std::string tokens_of(const CLI::App& command) {
  if (is_given(command, "--tokens")) return command.get_option("--tokens")->as<std::string>();
  return is_given(command, "--text") && !is_given(command, "--masked") ? "characters" : "words";
}

std::string optimiser_of(const CLI::App& command) {
  return is_given(command, "--optimiser") ? command.get_option("--optimiser")->as<std::string>() : "adamw";
}

std::vector<setting> settings_of(const CLI::App& command) {
  return {{"--vocabulary", "--tokens", tokens_of(command), {"words", "bpe", "unigram"}},
          {"--momentum", "--optimiser", optimiser_of(command), {"sgd", "muon"}},
          {"--taps", "--mixer", command.get_option("--mixer")->as<std::string>(), {"convolution"}}};
}

bool is_useless(const setting& s) { return std::ranges::find(s.useful, s.value) == s.useful.end(); }

std::string joined(const names& all, const char* between) {
  std::string text;
  for (const std::string& name : all) text += (text.empty() ? "" : between) + name;
  return text;
}

}  // namespace

bool has_meaning(const CLI::App& command, const std::string& option) {
  return missing_for(command, option).empty() && !heads_of_a_recurrent_network(command, option) &&
         std::ranges::none_of(settings_of(command),
                              [&](const setting& s) { return s.option == option && is_useless(s); });
}

void check_belongings(const CLI::App& command) {
  names found{"--text", "--source", "--pairs", "--labelled", "--images", "--sounds", "--task"};
  std::erase_if(found, [&](const std::string& name) { return !is_given(command, name); });
  if (found.empty()) return;
  for (const belonging& some : belongings())
    for (const std::string& option : some.options)
      if (is_given(command, option) && !missing_for(command, option).empty())
        throw usage_error(fmt::format("{}: expected {}, to whose training it belongs; found {}", option,
                                      joined(some.to, " or "), joined(found, " and ")));
  if (is_given(command, "--masked"))
    for (const std::string& option : belongings().front().options)
      if (is_given(command, option))
        throw usage_error(option + ": expected a model that writes, without --masked; found --masked");
  for (const setting& s : settings_of(command))
    if (is_given(command, s.option) && is_useless(s))
      throw usage_error(fmt::format("{}: expected {} {}, which has use for it; found {}", s.option, s.of,
                                    joined(s.useful, " or "), s.value));
  if (is_given(command, "--heads") && heads_of_a_recurrent_network(command, "--heads"))
    throw usage_error("--heads: expected a transformer, without --alignment and --cell; found a recurrent network");
}

}  // namespace qkv::cli
