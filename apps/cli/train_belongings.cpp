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
      {{"--skip-bad-lines"}, {"--source", "--pairs", "--field"}},
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

std::string joined(const names& all, const char* between) {
  std::string text;
  for (const std::string& name : all) text += (text.empty() ? "" : between) + name;
  return text;
}

}  // namespace

bool has_meaning(const CLI::App& command, const std::string& option) {
  return missing_for(command, option).empty() && !heads_of_a_recurrent_network(command, option);
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
  if (is_given(command, "--taps") && command.get_option("--mixer")->as<std::string>() != "convolution")
    throw usage_error("--taps: expected --mixer convolution, whose taps they are; found " +
                      command.get_option("--mixer")->as<std::string>());
  if (is_given(command, "--heads") && heads_of_a_recurrent_network(command, "--heads"))
    throw usage_error("--heads: expected a transformer, without --alignment and --cell; found a recurrent network");
}

}  // namespace qkv::cli
