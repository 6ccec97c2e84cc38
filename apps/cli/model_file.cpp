#include "apps/cli/model_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/model_kind.h"
#include "qkv/io/utf8.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

void check_characters(const character_vocabulary& vocabulary, const std::string& option, std::string_view text) {
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

text_tokens text_tokens_from_json(const std::string& json) {
  tokenizer all = tokenizer::from_json(json);
  const auto object = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || object.value("type", "") != "characters") return {std::move(all)};
  return {std::move(all), character_vocabulary::from_json(json)};
}

language_model load_language_model(const std::filesystem::path& path) {
  const auto file = model_file_at(path);
  expect_kind(file, model_kind::language_model);
  checkpoint loaded = load_checkpoint(file);
  text_tokens tokens = [&] {
    try {
      return text_tokens_from_json(loaded.facts.vocabulary);
    } catch (const std::exception& error) { throw file_error(path.string() + ": " + error.what()); }
  }();
  const long size = tokens.all.vocabulary_size();
  if (size != loaded.model.config().vocabulary)
    refuse_file(path, fmt::format("a model of as many tokens as its vocabulary has, {}", size),
                std::to_string(loaded.model.config().vocabulary) + " tokens");
  return {std::move(loaded.model), std::move(tokens), std::move(loaded.facts)};
}

std::vector<std::int32_t> encode(const text_tokens& tokens, const std::string& option, std::string_view text,
                                 markers special) {
  check_text(option, text);
  if (tokens.characters) check_characters(*tokens.characters, option, text);
  auto encoded = tokens.all.encode(text, special);
  if (encoded.empty())
    throw usage_error(fmt::format("{}: expected a text of at least one token ({}); found none in \"{}\"", option,
                                  tokens.all.in_words(), visible(text, look::unicode)));
  return encoded;
}

long left_out_of_context(const std::string& command, std::size_t tokens, long context) {
  const long left_out = std::max(0L, long(tokens) - context);
  if (left_out > 0)
    fmt::print(stderr, "{}: the text has {} tokens, the model's context {}: the first {} are left out\n", command,
               tokens, context, left_out);
  return left_out;
}

std::filesystem::path released_model(const std::string& name) {
  std::error_code none;
  std::filesystem::path folder = std::filesystem::current_path(none);
  for (std::filesystem::path above = std::filesystem::read_symlink("/proc/self/exe", none);;
       folder = above = above.parent_path()) {
    if (const auto file = folder / "models" / name; std::filesystem::exists(file, none)) return file;
    if (above == above.parent_path()) break;
  }
  throw usage_error(fmt::format("expected --model FILE, or models/{} where the program runs; found neither", name));
}

std::string parameters_in_words(long parameters) {
  return parameters < 100'000 ? fmt::format("{} parameters", parameters)
                              : fmt::format("{:.2f} million parameters", double(parameters) / 1e6);
}

namespace {

/// "4 heads", or what is in their place.
std::string mixing_in_words(nn::mixer_kind mixer, long heads) {
  if (mixer == nn::mixer_kind::attention) return fmt::format("{} heads", heads);
  return mixer_words[std::size_t(mixer)];
}

}  // namespace

std::string in_words(const decoder& model) {
  const decoder_config& config = model.config();
  return fmt::format("{} layers of {}, width {}, context {}, {}", config.layers,
                     mixing_in_words(config.mixer, config.heads), config.width, config.context,
                     parameters_in_words(nn::count_parameters(model)));
}

std::string in_words(const encoder_config& config, long parameters) {
  return fmt::format("encoder of {} layers of {}, width {}, context {}, {}", config.layers,
                     mixing_in_words(config.mixer, config.heads), config.width, config.context,
                     parameters_in_words(parameters));
}

}  // namespace qkv::cli
