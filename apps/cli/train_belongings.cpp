#include "apps/cli/train_belongings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "apps/cli/command.h"
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
      {{"--skip-bad-lines"}, {"--source", "--pairs", "--field"}},
      {{"--context"}, {"--text", "--source", "--pairs", "--labelled", "--task"}},
      {{"--label-smoothing"}, {"--source", "--pairs", "--images", "--sounds", "--labelled", task_of_translations}},
      {{"--picture-size", "--patch", "--flip"}, {"--images"}},
      {{"--classes"}, {"--images", "--sounds", "--labelled"}}};
  return all;
}

bool is_given(const CLI::App& command, const std::string& option) { return command.get_option(option)->count() > 0; }

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

std::string joined(const names& all, const char* between) {
  std::string text;
  for (const std::string& name : all) text += (text.empty() ? "" : between) + name;
  return text;
}

}  // namespace

bool has_meaning(const CLI::App& command, const std::string& option) {
  return missing_for(command, option).empty() &&
         !(is_recurrent(command) && std::ranges::find(of_transformers, option) != of_transformers.end());
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
  if (is_given(command, "--taps") &&
      (!is_given(command, "--mixer") || command.get_option("--mixer")->as<std::string>() != "convolution"))
    throw usage_error("--taps: expected --mixer convolution, whose taps they are; found " +
                      (is_given(command, "--mixer") ? command.get_option("--mixer")->as<std::string>() : "none"));
  if (!is_recurrent(command)) return;
  for (const char* option : of_transformers)
    if (is_given(command, option))
      throw usage_error(fmt::format("{}: expected a transformer, without --alignment, --cell and --one-direction; found "
                                    "a recurrent network",
                                    option));
}

}  // namespace qkv::cli
