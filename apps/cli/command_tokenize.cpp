// qkv tokenize: texts to tokens and back, and tokenizers from texts.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/cli/command.h"
#include "apps/cli/learned_tokenizer.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/model_kind.h"
#include "apps/cli/option_values.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/text_input.h"
#include "qkv/base/error.h"
#include "qkv/io/text_file.h"
#include "qkv/tokens/training.h"
#include "qkv/train/model_file.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

struct tokenize_options {
  std::vector<std::string> texts;
  std::string file;
  std::string tokenizer, model, side = "source";
  bool decode = false, statistics = false;
  // Learning.
  tokenizer_choice learn;
  std::string out;
  bool vocabulary_given = false;
  bool plain = false;  ///< without special tokens
};

/// The tokenizer that a model was trained with.
tokenizer tokenizer_of_model(const tokenize_options& o) {
  const auto path = model_file_at(o.model);
  const model_reader file(path);
  for (const std::string& name : {"vocabulary" + std::string(), "tokenizer" + std::string(), o.side + "_tokenizer"})
    if (file.has_text(name) && !file.text(name).empty())
      return file.in_this_file([&] { return tokenizer::from_json(file.text(name)); });
  refuse_file(path, "a model of texts, with its tokens", kind_and_use_of(path));
}

tokenizer chosen_tokenizer(const tokenize_options& o) {
  if (!o.model.empty()) return tokenizer_of_model(o);
  if (o.tokenizer.empty())
    throw usage_error("expected --tokenizer FILE, --model FILE, or --learn KIND to make one; found none of them");
  try {
    return tokenizer::from_json(read_text(o.tokenizer));
  } catch (const std::exception& error) {
    const std::string what = error.what();
    throw file_error(what.starts_with(o.tokenizer) ? what : o.tokenizer + ": " + what);
  }
}

/// How well texts fit into tokens.
struct token_counts {
  long texts = 0, tokens = 0, bytes = 0, words = 0, unknown = 0;

  void add(const tokenizer& t, const std::string& text, const std::vector<std::int32_t>& ids) {
    ++texts;
    tokens += long(ids.size());
    bytes += long(text.size());
    std::istringstream divided(text);
    for (std::string word; divided >> word;) ++words;
    const auto none = t.id(special_token::unknown);
    if (none) unknown += std::ranges::count(ids, *none);
  }
};

double ratio(long a, long b) { return b > 0 ? double(a) / double(b) : 0; }

nlohmann::ordered_json as_json(const token_counts& n) {
  return {{"texts", n.texts},
          {"tokens", n.tokens},
          {"words", n.words},
          {"bytes", n.bytes},
          {"unknown", n.unknown},
          {"tokens_per_word", ratio(n.tokens, n.words)},
          {"bytes_per_token", ratio(n.bytes, n.tokens)}};
}

std::string in_words(const token_counts& n) {
  std::string text = fmt::format("{} tokens: {:.2f} a word, {:.2f} bytes each", n.tokens, ratio(n.tokens, n.words),
                                 ratio(n.bytes, n.tokens));
  if (n.unknown > 0) text += fmt::format("; {} of them unknown", n.unknown);
  return text;
}

/// Pieces over their numbers, in as many lines as they take.
std::string picture_of(const std::vector<std::string>& pieces, const std::vector<std::int32_t>& ids, look how,
                       int columns) {
  std::string picture, above, below;
  const auto end_line = [&] {
    if (above.empty()) return;
    above.erase(above.find_last_not_of(' ') + 1);
    below.erase(below.find_last_not_of(' ') + 1);
    picture += above + "\n" + dim(below, how) + "\n";
    above = below = "";
  };
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string label = short_label(pieces[i], 24, how), number = std::to_string(ids[i]);
    const int width = std::max(columns_of(label), int(number.size())) + 1;
    if (!above.empty() && columns_of(above) + width > columns) end_line();
    above += left_aligned(label, width);
    below += left_aligned(number, width);
  }
  end_line();
  return picture;
}

void show_tokens(const tokenize_options& o, const output_options& output) {
  const tokenizer t = chosen_tokenizer(o);
  const auto texts = given_texts(o.texts, o.file, "texts to cut into tokens");
  const auto all = t.encode_each(texts);
  token_counts counts;
  for (std::size_t i = 0; i < texts.size(); ++i) counts.add(t, texts[i], all[i]);
  if (output.json) {
    nlohmann::ordered_json result{{"tokenizer", t.in_words()}, {"texts", nlohmann::json::array()}};
    for (std::size_t i = 0; i < texts.size() && !o.statistics; ++i)
      result["texts"].push_back({{"text", texts[i]}, {"tokens", all[i]}, {"pieces", pieces_of(t, all[i])}});
    result["statistics"] = as_json(counts);
    return fmt::print("{}\n", result.dump(1));
  }
  if (output.quiet && !o.statistics) {
    for (const auto& tokens : all) fmt::print("{}\n", fmt::join(tokens, " "));
    return;
  }
  const look how = output.look_of(stdout);
  for (std::size_t i = 0; i < texts.size() && !o.statistics; ++i)
    fmt::print("{}\n", picture_of(pieces_of(t, all[i]), all[i], how, columns_of_terminal(stdout)));
  fmt::print("{}; {}\n", in_words(counts), t.in_words());
}

std::vector<std::int32_t> numbers_in(const std::string& line, const tokenizer& t) {
  std::vector<std::int32_t> ids;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    std::int32_t id = -1;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (problem != std::errc() || end != word.data() + word.size() || id < 0 || id >= t.vocabulary_size())
      throw usage_error(fmt::format("--decode: expected numbers of tokens, 0 to {}; found \"{}\"",
                                    t.vocabulary_size() - 1, visible(word, look::unicode)));
    ids.push_back(id);
  }
  return ids;
}

/// Numbers as arguments are one text; lines of a file or of standard input are one each.
void show_texts(const tokenize_options& o, const output_options& output) {
  const tokenizer t = chosen_tokenizer(o);
  std::vector<std::string> lines;
  if (o.texts.empty())
    lines = given_texts({}, o.file, "numbers of tokens");
  else
    lines = {fmt::format("{}", fmt::join(o.texts, " "))};
  nlohmann::ordered_json result = nlohmann::ordered_json::array();
  for (const std::string& line : lines) {
    const auto ids = numbers_in(line, t);
    const std::string text = spoken(t, ids);
    if (output.json)
      result.push_back({{"tokens", ids}, {"text", text}});
    else
      fmt::print("{}\n", text);
  }
  if (output.json) fmt::print("{}\n", result.dump(1));
}

void learn(const tokenize_options& o, const output_options& output) {
  if (o.out.empty()) throw usage_error("--out: expected a file for the tokenizer; found none");
  if (o.decode || !o.tokenizer.empty() || !o.model.empty())
    throw usage_error("--learn: expected to make a tokenizer, or to use one; found both");
  if (o.vocabulary_given && (o.learn.kind == "characters" || o.learn.kind == "bytes"))
    throw usage_error("--vocabulary: expected --learn words, bpe or unigram, which has use for it; found " +
                      o.learn.kind);
  const bool piped = o.file.empty() || o.file == standard_input;
  const std::string text = piped ? text_from_standard_input("a text to learn from") : read_text(o.file);
  const auto lines = lines_of(text);
  // Characters and pieces of a text to continue include its line ends; lines of translations have none.
  const tokenizer t =
      learned_tokenizer(o.learn, std::span(&text, 1), o.plain ? std::vector<std::string>{} : usual_special_tokens());
  write_text(o.out, t.to_json());
  token_counts counts;
  const auto tokens = t.encode_each(lines);
  for (std::size_t i = 0; i < lines.size(); ++i) counts.add(t, lines[i], tokens[i]);
  if (output.json) {
    const nlohmann::ordered_json result{{"out", o.out},
                                        {"tokenizer", t.in_words()},
                                        {"vocabulary", t.vocabulary_size()},
                                        {"statistics", as_json(counts)}};
    return fmt::print("{}\n", result.dump(1));
  }
  if (!output.quiet)
    fmt::print("{}: {}, {}\non its own text: {}\n", o.out, t.in_words(),
               in_bytes(double(std::filesystem::file_size(o.out))), in_words(counts));
}

void run(const tokenize_options& o, const output_options& output) {
  if (!o.learn.kind.empty()) return learn(o, output);
  if (o.decode) return show_texts(o, output);
  show_tokens(o, output);
}

void add_learning(CLI::App& program, tokenize_options& o) {
  CLI::App& command = *program.add_option_group("Learning");
  CLI::Option* kind = command.add_option("--learn", o.learn.kind, "Make a tokenizer of this kind from --text")
                          ->check(one_of(token_kinds));
  command.add_option("--vocabulary", o.learn.vocabulary, "Tokens of bpe, unigram and words, at most")
      ->check(CLI::Range(1L, 1L << 24))
      ->capture_default_str()
      ->needs(kind);
  command.add_flag("--lower-case", o.learn.lower_case, "Do without capitals")->needs(kind);
  command.add_flag("--no-special-tokens", o.plain, "Without <pad>, <unk>, <s> and </s>, where it can do without")
      ->needs(kind);
  command.add_option("-o,--out", o.out, "The file to write, as Hugging Face's tokenizers read it")
      ->check(file_name())
      ->needs(kind);
}

}  // namespace

void add_tokenize(CLI::App& program) {
  CLI::App& command =
      add_command(program, "tokenize", "Cut texts into tokens, put them together again, or learn how to",
                  "qkv tokenize --model models/de-en.safetensors \"Ein Hund rennt.\"\n"
                  "  qkv tokenize --learn bpe --vocabulary 1000 --text FILE --out tokenizer.json\n"
                  "  qkv tokenize --tokenizer tokenizer.json --quiet < FILE | qkv tokenize --tokenizer tokenizer.json "
                  "--decode");
  const auto options = std::make_shared<tokenize_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("texts", options->texts,
                     "Texts, or numbers to --decode; none: --text, or lines of standard input");
  command.add_option("-t,--text", options->file, "A file of them, line by line")->check(file_name());
  CLI::Option* tokenizer =
      command.add_option("--tokenizer", options->tokenizer, "A tokenizer.json, of qkv or of Hugging Face");
  command.add_option("-m,--model", options->model, "A model's file, or the folder of its training run: its tokens")
      ->excludes(tokenizer);
  command.add_option("--side", options->side, "Of a translator: the tokens of its source, or those of its target")
      ->check(one_of({"source", "target"}))
      ->capture_default_str();
  command.add_flag("-d,--decode", options->decode, "From numbers of tokens to texts");
  command.add_flag("--statistics", options->statistics, "Only how many tokens there are, a word and a byte");
  add_learning(command, *options);
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output, &command] {
    options->vocabulary_given = command.get_option("--vocabulary")->count() > 0;
    run(*options, *output);
  });
}

}  // namespace qkv::cli
