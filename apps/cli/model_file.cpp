#include "apps/cli/model_file.h"

#include <fmt/format.h>

#include "apps/cli/command.h"
#include "qkv/io/utf8.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

void check_characters(const character_vocabulary& vocabulary, const std::string& option, const std::string& text) {
  long place = 1;
  for (std::size_t at = 0; at < text.size(); ++place) {
    const std::size_t start = at;
    const char32_t character = next_code_point(text, at);
    if (vocabulary.contains(character)) continue;
    throw usage_error(
        fmt::format("{}: expected only characters that this model has learned, the {}; found \"{}\" (U+{:04X}) as "
                    "character {} of the text; leave it out, or write another one in its place",
                    option, vocabulary.in_words(), visible(text.substr(start, at - start), look::unicode),
                    std::uint32_t(character), place));
  }
}

}  // namespace

character_model load_character_model(const std::filesystem::path& path) {
  checkpoint loaded = load_checkpoint(model_file_at(path));
  auto vocabulary = [&] {
    try {
      return character_vocabulary::from_json(loaded.facts.vocabulary);
    } catch (const std::exception& error) { throw file_error(path.string() + ": " + error.what()); }
  }();
  if (vocabulary.size() != loaded.model.config().vocabulary)
    refuse_file(path, fmt::format("a model of as many tokens as it has characters, {}", vocabulary.size()),
                std::to_string(loaded.model.config().vocabulary) + " tokens");
  return {std::move(loaded.model), std::move(vocabulary), std::move(loaded.facts)};
}

std::vector<std::int32_t> encode(const character_vocabulary& vocabulary, const std::string& option,
                                 const std::string& text) {
  check_characters(vocabulary, option, checked_text(option, text));
  return vocabulary.encode(text);
}

std::string parameters_in_words(long parameters) {
  return parameters < 100'000 ? fmt::format("{} parameters", parameters)
                              : fmt::format("{:.2f} million parameters", double(parameters) / 1e6);
}

std::string in_words(const decoder& model) {
  const decoder_config& config = model.config();
  const bool attends = config.mixer == nn::mixer_kind::attention;
  const std::string mixing = attends ? fmt::format("{} heads", config.heads) : mixer_words[std::size_t(config.mixer)];
  return fmt::format("{} layers of {}, width {}, context {}, {}", config.layers, mixing, config.width, config.context,
                     parameters_in_words(nn::count_parameters(model)));
}

}  // namespace qkv::cli
