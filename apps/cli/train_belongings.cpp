#include "apps/cli/train_belongings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "apps/cli/command.h"
#include "apps/cli/given_option.h"
#include "qkv/tasks/tasks.h"

namespace qkv::cli {
namespace {

using names = std::vector<std::string>;

/// Options that only mean something to some training, and the options of which one makes it that.
struct belonging {
  names options, to;
};

constexpr auto task_of_texts = "a --task to be continued", task_of_translations = "a --task to be translated";
constexpr auto text_to_continue = "--text without --masked";

const std::vector<belonging>& belongings() {
  static const std::vector<belonging> all{
      {{"--window", "--key-heads", "--shared-projections", "--query-context", "--adapted-keys", "--separate-head"},
       {text_to_continue, task_of_texts}},
      {{"--mixer", "--taps", "--position-range"}, {"--text", "--images", "--sounds", "--labelled", task_of_texts}},
      {{"--pooling"}, {"--images", "--sounds", "--labelled"}},
      {{"--field"}, {"--text"}},
      {{"--masked"}, {"--text"}},
      {{"--tokens", "--vocabulary", "--lower-case"}, {"--text", "--source", "--pairs", "--labelled"}},
      {{"--separate-vocabularies"}, {"--source", "--pairs"}},
      {{"--batch-tokens", "--alignment", "--cell", "--one-direction"}, {"--source", "--pairs", task_of_translations}},
      {{"--source-field", "--target-field"}, {"--pairs"}},
      {{"--skip-bad-lines"}, {"--source", "--pairs", "--field", "--labelled"}},
      {{"--context"}, {"--text", "--source", "--pairs", "--labelled", "--task"}},
      {{"--label-smoothing"}, {"--source", "--pairs", "--images", "--sounds", "--labelled", task_of_translations}},
      {{"--picture-size", "--patch", "--flip"}, {"--images"}},
      {{"--classes"}, {"--images", "--sounds", "--labelled"}}};
  return all;
}

/// Whether an option is given, or what one of the names above says.
bool holds(const CLI::App& command, const std::string& name) {
  if (name == text_to_continue) return is_given(command, "--text") && !is_given(command, "--masked");
  if (name != task_of_texts && name != task_of_translations) return is_given(command, name);
  if (!is_given(command, "--task")) return false;
  return task_named(command.get_option("--task")->as<std::string>()).translates == (name == task_of_translations);
}

/// The options of which one would have to be given; none where the option means something as it is.
names missing_for(const CLI::App& command, const std::string& option) {
  const auto given = [&](const std::string& name) { return holds(command, name); };
  for (const belonging& some : belongings())
    if (std::ranges::find(some.options, option) != some.options.end() && std::ranges::none_of(some.to, given))
      return some.to;
  return {};
}

/// What a recurrent network does not have.
constexpr std::array of_transformers{"--heads", "--positions", "--norms", "--norm", "--feed-forward"};

bool is_recurrent(const CLI::App& command) {
  return is_given(command, "--alignment") || is_given(command, "--cell") || is_given(command, "--one-direction");
}

/// What an option only means something to is the value of another one, given or not.
struct setting {
  std::string option, of, value;
  names useful;  ///< the values that use it
};

std::vector<setting> settings_of(const CLI::App& command) {
  const auto value = [&](const char* option, const char* otherwise) {
    return is_given(command, option) ? command.get_option(option)->as<std::string>() : std::string(otherwise);
  };
  // What texts are cut into where nothing is said: all but these have a vocabulary to learn.
  const char* tokens = holds(command, text_to_continue) ? "characters" : "words";
  // Of a task, as its recipe has it.
  const char* positions = holds(command, task_of_texts) ? "local" : "learned";
  return {{"--vocabulary", "--tokens", value("--tokens", tokens), {"words", "bpe", "unigram"}},
          {"--momentum", "--optimiser", value("--optimiser", "adamw"), {"sgd", "muon"}},
          {"--taps", "--mixer", value("--mixer", "attention"), {"convolution"}},
          {"--position-range", "--positions", value("--positions", positions), {"relative", "local"}}};
}

bool is_useless(const setting& s) { return std::ranges::find(s.useful, s.value) == s.useful.end(); }

std::string joined(const names& all, const char* between) {
  std::string text;
  for (const std::string& name : all) text += (text.empty() ? "" : between) + name;
  return text;
}

}  // namespace

bool has_meaning(const CLI::App& command, const std::string& option) {
  return missing_for(command, option).empty() &&
         !(is_recurrent(command) && std::ranges::find(of_transformers, option) != of_transformers.end()) &&
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
  const bool resumed = is_given(command, "--resume");  // what is not given is then as the run began
  for (const setting& s : settings_of(command))
    if (!resumed && is_given(command, s.option) && is_useless(s))
      throw usage_error(fmt::format("{}: expected {} {}, which has use for it; found {}", s.option, s.of,
                                    joined(s.useful, " or "), s.value));
  if (!is_recurrent(command)) return;
  for (const char* option : of_transformers)
    if (is_given(command, option))
      throw usage_error(fmt::format("{}: expected a transformer, without --alignment, --cell and --one-direction; found "
                                    "a recurrent network",
                                    option));
}

}  // namespace qkv::cli
