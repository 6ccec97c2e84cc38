#include <algorithm>

#include "qkv/base/error.h"
#include "qkv/io/utf8.h"
#include "qkv/tokens/byte_characters.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/counting.h"
#include "qkv/tokens/tokenizer_parts.h"
#include "qkv/tokens/training.h"

namespace qkv {

using namespace tokens;

std::vector<std::string> usual_special_tokens() {
  return {special_token::pad, special_token::unknown, special_token::begin, special_token::end};
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

tokenizer character_tokenizer(const character_vocabulary& characters, std::vector<std::string> specials) {
  check_specials("character_tokenizer", specials);
  const std::vector<added_token> added = first_tokens_special(specials);
  std::vector<std::string> names = std::move(specials);
  for (const char32_t character : characters.characters()) append_utf8(names.emplace_back(), character);
  vocabulary all(std::move(names));
  bpe_settings settings{};
  settings.of_bytes = false;
  settings.unknown = all.find(special_token::unknown);
  return tokenizer({.form = {},
                    .cuttings = {},
                    .model = bpe_model(std::move(all), {}, settings),
                    .join = joining::as_they_are,
                    .added = added});
}

tokenizer byte_tokenizer(std::vector<std::string> specials) {
  check_specials("byte_tokenizer", specials);
  const std::vector<added_token> added = first_tokens_special(specials);
  std::vector<std::string> names = std::move(specials);
  for (int byte = 0; byte < 256; ++byte) names.push_back(characters_of_bytes(std::string(1, char(byte))));
  return tokenizer({.form = {},
                    .cuttings = {},
                    .model = bpe_model(vocabulary(std::move(names)), {}, bpe_settings{}),
                    .join = joining::as_they_are,
                    .added = added});
}

tokenizer train_words(training_texts texts, const word_options& options) {
  constexpr const char* operation = "train_words";
  check_specials(operation, options.specials);
  const auto unknown = std::ranges::find(options.specials, special_token::unknown);
  if (unknown == options.specials.end())
    refuse(operation, std::string(special_token::unknown) + " among the special tokens", "none of that name");
  const long limit = options.largest_vocabulary;
  if (limit != 0 && limit <= long(options.specials.size())) {
    refuse(operation, "a vocabulary larger than its " + std::to_string(options.specials.size()) + " special tokens",
           std::to_string(limit));
  }
  const text_form form{.lower_case = options.lower_case};
  const std::vector rules{options.marks == punctuation::in_runs ? cutting::words : cutting::words_single_marks};
  std::vector<std::string> names = options.specials;
  for (const counted_part& word : count_parts(operation, texts, form, rules, /*any_bytes=*/false)) {
    if (word.count < options.least_count || (limit != 0 && long(names.size()) == limit)) break;
    if (std::ranges::find(options.specials, word.text) == options.specials.end()) names.push_back(word.text);
  }
  return tokenizer({.form = form,
                    .cuttings = rules,
                    .model = word_model(vocabulary(std::move(names)), std::int32_t(unknown - options.specials.begin())),
                    .join = joining::with_spaces,
                    .added = first_tokens_special(options.specials)});
}

}  // namespace qkv
