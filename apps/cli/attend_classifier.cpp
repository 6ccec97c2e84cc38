// qkv attend, of a classifier of pictures or sounds: what in a picture or a sound it looks at for its answer.
#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/attend_options.h"
#include "apps/cli/prompt_weights.h"
#include "apps/cli/sense_picture.h"
#include "qkv/io/image_file.h"

namespace qkv::cli {
namespace {

/// What the answer is read from: the class token, or the mean over all; weights on tokens first .. first + count - 1.
tensor answer_weights(const std::vector<tensor>& looks, bool class_token, long first, long count) {
  const tensor all({long(looks.size()), looks[0].dim(0), count});
  for (long layer = 0; layer < all.dim(0); ++layer)
    for (long head = 0; head < all.dim(1); ++head) {
      const tensor& w = looks[std::size_t(layer)];
      const long rows = class_token ? 1 : w.dim(1);
      for (long k = 0; k < count; ++k) {
        double sum = 0;
        for (long row = 0; row < rows; ++row) sum += double(w.at<float>(head, row, first + k));
        all.at<float>(layer, head, k) = float(sum / double(rows));
      }
    }
  return all;
}

/// [H, W, 3] of [H, W, 1] or [H, W, 3].
tensor in_colour(const tensor& image) {
  const tensor pixels({image.dim(0), image.dim(1), 3});
  for (long y = 0; y < image.dim(0); ++y)
    for (long x = 0; x < image.dim(1); ++x)
      for (long c = 0; c < 3; ++c) pixels.at<float>(y, x, c) = image.at<float>(y, x, std::min(c, image.dim(2) - 1));
  return pixels;
}

/// Time to the right, pitch upwards, the louder the brighter.
tensor spectrogram(const tensor& frames, long used) {
  const long bands = frames.dim(1);
  float least = frames.at<float>(0, 0), most = least;
  for (const float x : frames.values<float>()) least = std::min(least, x), most = std::max(most, x);
  const tensor pixels({bands, used, 3});
  for (long t = 0; t < used; ++t)
    for (long m = 0; m < bands; ++m)
      for (long c = 0; c < 3; ++c)
        pixels.at<float>(bands - 1 - m, t, c) = (frames.at<float>(t, m) - least) / std::max(most - least, 1e-6f);
  return pixels;
}

struct seen_and_heard {
  std::vector<sensed> all;
  std::vector<std::pair<std::string, float>> answers;  // the likeliest first
};

/// Frames that make up whole tokens, at least those of one.
tensor whole_frames(const sound& what, const sound_reading& how, long tokens) {
  const tensor frames = even_frames(what, how);
  const long used = tokens * how.frames;
  const tensor padded({used, frames.dim(1)});
  const float silence = *std::ranges::min_element(frames.values<float>());
  for (float& x : padded.values<float>()) x = silence;
  const long there = std::min(used, frames.dim(0));
  padded.slice(0, 0, there).copy_from(frames.slice(0, 0, there));
  return padded;
}

void check_senses(const attend_options& o, const classifier_senses& senses) {
  if (!o.text.empty() || !o.text_file.empty() || !o.target.empty())
    throw usage_error("expected --image or --sound, which this classifier reads; found a text");
  if (o.heads || o.rollout || !o.html.empty() || o.token > 0)
    throw usage_error(
        "--heads, --rollout, --html and --token: expected a model that reads texts; found a classifier of pictures or "
        "sounds, for --layer, --head, --svg and --png");
  if (o.image.empty() && o.sound.empty()) throw usage_error("expected --image or --sound; found neither");
  if (!o.image.empty() && !senses.picture)
    throw usage_error("--image: expected a model that reads pictures; found one that hears sounds");
  if (!o.sound.empty() && !senses.sound)
    throw usage_error("--sound: expected a model that hears sounds; found one that reads pictures");
}

seen_and_heard look_at(const attend_options& o, const classifier& c) {
  check_senses(o, c.senses);
  encoder_example example;
  seen_and_heard result;
  tensor image;
  sound heard;
  if (!o.image.empty()) {
    image = fitted(read_image(o.image), *c.senses.picture);
    example.patches = patches_read(image, *c.senses.picture);
  }
  if (!o.sound.empty()) heard = read_sound(o.sound), example.frames = frames_read(heard, *c.senses.sound);
  const encoder_batch batch = c.model.join({&example, 1});
  const auto looks = c.model.body().looks(batch);
  const bool class_token = c.model.config().pooling == pooling::class_token;
  long first = class_token ? 1 : 0;
  if (!o.image.empty()) {
    const picture_reading& how = *c.senses.picture;
    result.all.push_back({"picture", in_colour(image), how.height / how.side, how.width / how.side,
                          answer_weights(looks, class_token, first, how.tokens())});
    first += how.tokens();
  }
  if (!o.sound.empty()) {
    const long tokens = example.frames.dim(0);
    const tensor frames = whole_frames(heard, *c.senses.sound, tokens);
    result.all.push_back(
        {"sound", spectrogram(frames, frames.dim(0)), 1, tokens, answer_weights(looks, class_token, first, tokens)});
  }
  const tensor probabilities = c.model.probabilities(batch);
  for (std::size_t k = 0; k < c.senses.classes.size(); ++k)
    result.answers.emplace_back(c.senses.classes[k], probabilities.at<float>(0, long(k)));
  std::ranges::stable_sort(result.answers, std::greater{}, &std::pair<std::string, float>::second);
  return result;
}

nlohmann::ordered_json as_json(const sensed& s, const head_choice& choice) {
  nlohmann::ordered_json heads = nlohmann::ordered_json::array();
  for (long layer = 0; layer < s.layers(); ++layer)
    for (long head = 0; head < s.heads(); ++head) {
      if ((choice.layer && *choice.layer != layer) || (choice.head && *choice.head != head)) continue;
      const auto row = s.weights.select(0, layer).select(0, head).values<float>();
      heads.push_back(
          {{"layer", layer + 1}, {"head", head + 1}, {"weights", std::vector<float>(row.begin(), row.end())}});
    }
  return {
      {"what", s.what}, {"rows", s.rows}, {"columns", s.columns}, {"mean", mean_weights(s, choice)}, {"heads", heads}};
}

/// Two of them get names of their own: looked.png, looked-sound.png.
std::string path_for(const std::string& path, std::size_t number, const std::string& what) {
  const std::filesystem::path whole = path;
  return number == 0
             ? path
             : (whole.parent_path() / (whole.stem().string() + "-" + what + whole.extension().string())).string();
}

void save_pictures(const attend_options& o, const seen_and_heard& result, const head_choice& choice, bool speaks) {
  for (std::size_t i = 0; i < result.all.size(); ++i) {
    const sensed& s = result.all[i];
    if (!o.svg.empty()) {
      const std::string path = path_for(o.svg, i, s.what);
      save_sensed_as_svg(path, s, choice);
      say_saved(path, "a picture that can be scaled", speaks);
    }
    if (!o.png.empty()) {
      const std::string path = path_for(o.png, i, s.what);
      save_sensed_as_png(path, s, choice);
      say_saved(path, "a picture", speaks);
    }
  }
}

}  // namespace

void attend_classifier(const classifier& c, const attend_options& o, const output_options& output) {
  const encoder_config& config = c.model.config();
  need_attention(config.mixer);
  const head_choice choice{chosen("--layer", o.layer, config.layers), chosen("--head", o.head, config.heads)};
  const seen_and_heard result = look_at(o, c);
  const bool speaks = !output.json && !output.quiet;
  const auto& [name, probability] = result.answers.front();
  if (speaks) {
    const look how = output.look_of(stdout);
    fmt::print("{} ({:.0f}%); what it looks at for that, {}\n", visible(name, how), 100 * probability,
               in_words(choice));
    for (const sensed& s : result.all) fmt::print("\n{}", picture_of(s, choice, how, columns_of_terminal(stdout)));
    if (!(o.svg + o.png).empty()) fmt::print("\n");
  }
  save_pictures(o, result, choice, speaks);
  if (!output.json) return;
  nlohmann::ordered_json all{{"model", o.model}, {"class", name}, {"probability", probability}};
  for (const sensed& s : result.all) all["senses"].push_back(as_json(s, choice));
  fmt::print("{}\n", all.dump());
}

}  // namespace qkv::cli
