// qkv translate: a trained model says texts in another language.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/alignment.h"
#include "apps/cli/attention_page.h"
#include "apps/cli/command.h"
#include "apps/cli/heat_map.h"
#include "apps/cli/model_file.h"
#include "apps/cli/model_kind.h"
#include "apps/cli/option_values.h"
#include "apps/cli/text_input.h"
#include "apps/cli/translating.h"
#include "qkv/io/text_file.h"
#include "qkv/tokens/training.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

struct translate_options {
  std::string model, file, reference;
  std::vector<std::string> texts;
  translation_options how{.beam = 5, .length_penalty = 1};
  bool align = false;
  std::string html, svg, png;
};

/// Pictures of the first text's cross-attention: every head of every layer.
void draw(const translate_options& options, const translator& t, const std::string& text,
          const std::vector<std::int32_t>& said) {
  if ((options.html + options.svg + options.png).empty()) return;
  const attention_map map = cross_attention_map(t, text, said);
  const std::string facts = fmt::format("{}: how the decoder looks at the text it translates",
                                        std::filesystem::path(options.model).filename().string());
  if (!options.html.empty()) write_text(options.html, attention_page(map, facts));
  if (!options.svg.empty()) save_heat_maps_as_svg(options.svg, map, {});
  if (!options.png.empty()) save_heat_maps_as_png(options.png, map, {});
}

void run(translate_options options, const output_options& output) {
  check(options.how);
  if (options.model.empty()) options.model = released_model("de-en.safetensors").string();
  const auto file = model_file_at(options.model);
  expect_kind(file, model_kind::translator);
  const translator t = load_translator(file);
  const auto texts = given_texts(options.texts, options.file, "texts to translate");
  const auto tokens = tokens_of(t.source, t.model->context(), texts);
  std::vector<std::string> meant;
  if (!options.reference.empty()) {
    meant = lines_of(read_text(options.reference));
    if (meant.size() != texts.size())
      throw usage_error(fmt::format("--reference: expected a line for each of the {} texts; found {}", texts.size(), meant.size()));
  }
  const auto all = translate_all(t, tokens, options.how, output);
  draw(options, t, texts.front(), all.raw.front().tokens);
  if (output.json) {
    nlohmann::ordered_json result{{"model", options.model}, {"beam", options.how.beam}, {"seconds", all.seconds}};
    for (std::size_t i = 0; i < texts.size(); ++i)
      result["translations"].push_back({{"text", texts[i]},
                                        {"translation", all.said[i]},
                                        {"log_probability", all.raw[i].log_probability},
                                        {"ended", all.raw[i].ended}});
    if (options.align)
      for (std::size_t i = 0; i < texts.size(); ++i)
        result["translations"][i]["alignment"] = alignment_json(aligned_words(cross_attention_map(t, texts[i], all.raw[i].tokens)));
    if (!meant.empty()) result["scores"] = scores_of(all.said, meant);
    return fmt::print("{}\n", result.dump(1));
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    fmt::print("{}\n", all.said[i]);
    if (options.align && !tokens[i].empty())
      fmt::print("\n{}\n", alignment_table(aligned_words(cross_attention_map(t, texts[i], all.raw[i].tokens)),
                                           output.look_of(stdout)));
  }
  if (meant.empty()) return;
  const auto scores = scores_of(all.said, meant);
  fmt::print(stderr, "sacreBLEU (13a) {:.2f}, in lower case {:.2f}, chrF {:.2f}; {} lines in {:.1f} s\n",
             scores["bleu"].get<double>(), scores["bleu_lower_case"].get<double>(), scores["chrf"].get<double>(),
             texts.size(), all.seconds);
}

}  // namespace

void add_translate(CLI::App& program) {
  CLI::App& command =
      add_command(program, "translate", "Say texts in another language, with a model that `qkv train` made",
                  "qkv translate \"Ein Hund rennt durch den Schnee.\" --align\n"
                  "  qkv translate --model de-en --file test.de --reference test.en > said.en");
  const auto options = std::make_shared<translate_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("texts", options->texts, "Texts to translate; none: --file, or lines of standard input");
  command.add_option("-m,--model", options->model,
                     "A translator's file, or the folder of its training run; none: models/de-en.safetensors");
  command.add_option("--file", options->file, "A text to translate, line by line")->check(file_name());
  command.add_option("--reference", options->reference, "Translations to compare with: BLEU and chrF")
      ->check(file_name());
  command.add_option("--beam", options->how.beam, "Hypotheses followed at a time; 1: greedy")
      ->check(CLI::Range(1L, 1024L))
      ->capture_default_str();
  command.add_option("--length-penalty", options->how.length_penalty, "Above 1 favours longer translations")
      ->check(number_between(0, 10))
      ->capture_default_str();
  command.add_option("--batch", options->how.batch, "Texts at a time")
      ->check(CLI::Range(1L, 1L << 20))
      ->capture_default_str();
  command.add_flag("--align", options->align, "Show which words each word was made from");
  command.add_option("--html", options->html, "Write the first text's attention as a page for the browser")
      ->check(file_name());
  command.add_option("--svg", options->svg, "Write it as a picture, as SVG")->check(file_name());
  command.add_option("--png", options->png, "Write it as a picture, as PNG")->check(file_name());
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
