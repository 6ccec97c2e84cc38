// qkv attend, of a translator: which words of the text each word of the translation was made from.
#include <fmt/format.h>

#include <filesystem>

#include "apps/cli/alignment.h"
#include "apps/cli/attend_options.h"
#include "apps/cli/prompt_weights.h"
#include "apps/cli/spoken_text.h"
#include "apps/cli/terminal_picture.h"
#include "apps/cli/translating.h"
#include "apps/cli/written_text.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

/// The translation that was given, or what the model says.
std::vector<std::int32_t> translation_of(const translator& t, const attend_options& o, const output_options& output) {
  const auto source = tokens_of(t.source, t.model->context(), {checked_text("--text", o.text)});
  if (source[0].empty()) throw usage_error("--text: expected a text of at least one token; found none");
  if (!o.target.empty()) return tokens_of(t.target, t.model->context(), {checked_text("--target", o.target)})[0];
  return translate_all(t, source, {.beam = 5}, output).raw[0].tokens;
}

void print_picture(const attend_options& o, const attention_map& map, const head_choice& choice, look how) {
  const int columns = columns_of_terminal(stdout);
  const auto word = chosen("--token", o.token, long(map.queries.size()));
  fmt::print("{}\n\n", printable(map.text));
  if (choice.single()) {
    fmt::print("layer {} head {}: every row is a word said, and what it looks at\n\n{}\n{}\n", *choice.layer + 1,
               *choice.head + 1, picture_of_matrix(map, *choice.layer, *choice.head, how, columns),
               in_words(statistics_of(map, *choice.layer, *choice.head), how));
  } else if (word) {
    fmt::print("what each head looks at for the word {} (number {} of {})\n\n{}",
               visible(map.queries[std::size_t(*word)], how), *word + 1, map.queries.size(),
               picture_of_heads(map, choice, *word, how, columns));
  } else {
    fmt::print("which word each word was made from; --token, --layer and --head show more\n\n{}",
               alignment_table(aligned_words(map), how));
  }
}

}  // namespace

void attend_translator(const attend_options& o, const output_options& output) {
  if (o.heads || o.rollout)
    throw usage_error(
        fmt::format("{}: expected a language model or a classifier of texts; found a translator",
                    o.heads ? "--heads" : "--rollout"));
  if (!o.text_file.empty()) throw usage_error("--text-file: expected --text for a translator; found a file");
  const translator t = load_translator(model_file_at(o.model));
  const auto said = translation_of(t, o, output);
  const attention_map map = cross_attention_map(t, o.text, said);
  const head_choice choice{chosen("--layer", o.layer, map.layers()), chosen("--head", o.head, map.heads())};
  const bool speaks = !output.json && !output.quiet;
  if (speaks) print_picture(o, map, choice, output.look_of(stdout));
  save_pictures(o, map, choice,
                fmt::format("{}: how the decoder looks at the text it translates",
                            std::filesystem::path(o.model).filename().string()),
                speaks);
  if (!output.json) return;
  const nlohmann::ordered_json result{{"text", o.text},
                                      {"translation", spoken(t.target, said)},
                                      {"keys", map.keys},
                                      {"queries", map.queries},
                                      {"alignment", alignment_json(aligned_words(map))},
                                      {"heads", heads_as_json(map, choice)}};
  fmt::print("{}\n", result.dump());
}

}  // namespace qkv::cli
