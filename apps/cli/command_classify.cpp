// qkv classify: what a picture shows, or a sound says, as a trained classifier sees and hears it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/command.h"
#include "qkv/io/image_file.h"
#include "qkv/train/classifier.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

struct classify_options {
  std::string model, image, sound;
  long top = 5;
};

encoder_example example_for(const classify_options& o, const classifier_senses& senses) {
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
  const classifier model = load_classifier(model_file_at(o.model));
  const encoder_example example = example_for(o, model.senses);
  const tensor probabilities = model.model.probabilities(model.model.join({&example, 1}));
  std::vector<long> order(model.senses.classes.size());
  std::iota(order.begin(), order.end(), 0);
  const auto share = [&](long k) { return probabilities.at<float>(0, k); };
  std::ranges::stable_sort(order, [&](long a, long b) { return share(a) > share(b); });
  order.resize(std::min(order.size(), std::size_t(o.top)));
  const auto name = [&](long k) -> const std::string& { return model.senses.classes[std::size_t(k)]; };
  if (output.json) {
    nlohmann::ordered_json result{{"model", o.model}, {"class", name(order.front())}};
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
  CLI::App& command = add_command(program, "classify", "Say what a picture shows or what a sound says",
                                  "qkv classify --model clothes.safetensors --image shoe.png");
  const auto options = std::make_shared<classify_options>();
  const auto output = std::make_shared<output_options>();
  command.add_option("-m,--model", options->model, "Classifier, as `qkv train --images` or `--sounds` writes it")
      ->required();
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
