// For tests/house/tokenizers_test.py: makes a tokenizer, writes its tokenizer.json, and the tokens of every line of a
// text as JSON, one line each: {"tokens": [...], "places": [[begin, end], ...], "decoded": "..."}.
//
//   tokenize_lines KIND SIZE TRAINING_TEXT TEXT TOKENIZER_JSON [OPTION]... > LINES
//
// KIND: characters, bytes, words, bpe, unigram; or file, which reads TOKENIZER_JSON instead of writing it.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "qkv/io/io.h"
#include "qkv/tokens/tokens.h"

namespace {

using namespace qkv;

std::vector<std::string> options;

bool asked(const char* option) { return std::ranges::find(options, option) != options.end(); }

tokenizer make(const std::string& kind, long size, const std::string& training_file, const std::string& json_file) {
  if (kind == "file") return tokenizer::from_json(read_text(json_file));
  const std::string text = read_text(training_file);
  const std::vector<std::string> lines = lines_of(text);
  if (kind == "characters") return character_tokenizer(character_vocabulary(text), usual_special_tokens());
  if (kind == "bytes") return byte_tokenizer(usual_special_tokens());
  if (kind == "words") {
    return train_words(lines, {.largest_vocabulary = size,
                               .lower_case = asked("lower_case"),
                               .marks = asked("by_marks") ? punctuation::by_marks : punctuation::in_runs});
  }
  if (kind == "bpe") return train_byte_level_bpe(lines, {.vocabulary = size, .lower_case = asked("lower_case")});
  if (kind == "unigram") {
    return train_unigram(lines, {.vocabulary = size,
                                 .byte_fallback = asked("byte_fallback"),
                                 .character_coverage = asked("byte_fallback") ? 0.999 : 1,
                                 .lower_case = asked("lower_case")});
  }
  throw std::invalid_argument("no such kind: " + kind);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count < 6)
      throw std::invalid_argument("tokenize_lines KIND SIZE TRAINING_TEXT TEXT TOKENIZER_JSON [OPTION]...");
    options.assign(arguments + 6, arguments + count);
    const std::string kind = arguments[1];
    const tokenizer made = make(kind, std::stol(arguments[2]), arguments[3], arguments[5]);
    if (kind != "file") write_text(arguments[5], made.to_json());
    const markers how = asked("markers") ? markers::as_tokens : markers::as_text;
    for (const std::string& line : lines_of(read_text(arguments[4]))) {
      const located_tokens located = made.locate(line, how);
      nlohmann::json places = nlohmann::json::array();
      for (const byte_range& place : located.places) places.push_back({place.begin, place.end});
      std::cout << nlohmann::json{{"tokens", located.tokens},
                                  {"places", places},
                                  {"decoded", made.decode(located.tokens, specials::written)}}
                       .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                << "\n";
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
