// qkv classify: what a picture shows, or a sound says, as a trained classifier sees and hears it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/command.h"
#include "apps/cli/model_kind.h"
#include "apps/cli/text_input.h"
#include "qkv/io/image_file.h"
#include "qkv/train/classifier.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

struct classify_options {
  std::string model, text, image, sound;
  long top = 5;
};

/// The tokens of a text, as many as the model reads.
std::vector<std::int32_t> tokens_of(const std::string& text, const tokenizer& tokens, long context) {
  auto all = tokens.encode(checked_text("text", text));
  if (all.empty()) throw usage_error("text: expected at least one token; found none");
  const std::size_t read = std::min(all.size(), std::size_t(context - 1));
  if (read < all.size())
    fmt::print(stderr, "qkv classify: of {} tokens only the first {} are read, as many as the model knows\n", all.size(),
               read);
  all.resize(read);
  return all;
}

encoder_example example_for(const classify_options& o, const classifier& c) {
  const classifier_senses& senses = c.senses;
  if (senses.text) {
    if (!o.image.empty() || !o.sound.empty())
      throw usage_error("expected a text for a model that reads texts; found a picture or a sound");
    const std::string text = text_or_standard_input(o.text, "a text to classify");
    return {.text = tokens_of(text, *senses.text, c.model.config().context)};
  }
  if (!o.text.empty()) throw usage_error("text: expected a model that reads texts; found one of pictures or sounds");
  if (o.image.empty() && o.sound.empty()) throw usage_error("expected --image or --sound; found neither");
  if (!o.image.empty() && !senses.picture)
    throw usage_error("--image: expected a model that reads pictures; found one that hears sounds");
  if (!o.sound.empty() && !senses.sound)
    throw usage_error("--sound: expected a model that hears sounds; found one that reads pictures");
  encoder_example example;
  if (!o.image.empty()) example.patches = patches_read(read_image(o.image), *senses.picture);
  if (!o.sound.empty()) example.frames = frames_read(read_sound(o.sound), *senses.sound);
  return example;
}

void run(const classify_options& o, const output_options& output) {
  const auto file = model_file_at(o.model);
  expect_kind(file, model_kind::classifier);
  const classifier model = load_classifier(file);
  const encoder_example example = example_for(o, model);
  const tensor probabilities = model.model.probabilities(model.model.join({&example, 1}));
  std::vector<long> order(model.senses.classes.size());
  std::iota(order.begin(), order.end(), 0);
  const auto share = [&](long k) { return probabilities.at<float>(0, k); };
  std::ranges::stable_sort(order, [&](long a, long b) { return share(a) > share(b); });
  order.resize(std::min(order.size(), std::size_t(o.top)));
  const auto name = [&](long k) -> const std::string& { return model.senses.classes[std::size_t(k)]; };
  if (output.json) {
    nlohmann::ordered_json result{{"model", o.model}, {"class", name(order.front())}};
    if (!o.text.empty()) result["text"] = o.text;
    if (!o.image.empty()) result["image"] = o.image;
    if (!o.sound.empty()) result["sound"] = o.sound;
    for (const long k : order) result["probabilities"].push_back({{"class", name(k)}, {"probability", share(k)}});
    return fmt::print("{}\n", result.dump(1));
  }
  if (output.quiet) return fmt::print("{}\n", visible(name(order.front()), look::ascii));
  const look look = output.look_of(stdout);
  int columns = 0;
  for (const long k : order) columns = std::max(columns, columns_of(visible(name(k), look)));
  for (const long k : order)
    fmt::print("{}  {:5.1f}%  {}\n", left_aligned(visible(name(k), look), columns), 100 * share(k),
               bar(double(share(k)), 30, look));
}

}  // namespace

void add_classify(CLI::App& program) {
  CLI::App& command =
      add_command(program, "classify", "Say what a picture shows, what a sound says or what a text is about",
                  "qkv classify --model clothes.safetensors --image shoe.png\n"
                  "  qkv classify --model out/topics \"the match ended in a draw\"");
  const auto options = std::make_shared<classify_options>();
  const auto output = std::make_shared<output_options>();
  command
      .add_option("-m,--model", options->model,
                  "Classifier, as `qkv train --images`, `--sounds` or `--labelled` writes it")
      ->required();
  command.add_option("text", options->text, "A text, for a model that reads texts; none: standard input");
  command.add_option("-i,--image", options->image, "A picture, PNG or JPEG");
  command.add_option("-s,--sound", options->sound,
                     "A sound, WAV or FLAC; with --image for a model that has learned both: do they go together?");
  command.add_option("--top", options->top, "How many classes to show, the likeliest first")
      ->check(CLI::Range(1L, 1L << 20))
      ->capture_default_str();
  output->add_quiet(command);
  output->add_json(command);
  output->add_style(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
