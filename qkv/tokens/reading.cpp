#include "qkv/tokens/reading.h"

#include <algorithm>
#include <cmath>

#include "qkv/io/option_json.h"
#include "qkv/tokens/image_changes.h"
#include "qkv/tokens/patches.h"
#include "qkv/tokens/resample.h"

namespace qkv {
namespace {

constexpr auto picture_fields = [](auto& c, auto see) {
  see("height", c.height);
  see("width", c.width);
  see("channels", c.channels);
  see("side", c.side);
  see("mean", c.mean);
  see("deviation", c.deviation);
};

constexpr auto sound_fields = [](auto& c, auto see) {
  see("rate", c.mel.rate);
  see("window", c.mel.window);
  see("hop", c.mel.hop);
  see("bands", c.mel.bands);
  see("lowest", c.mel.lowest);
  see("highest", c.mel.highest);
  see("scale", c.mel.scale, std::array{"slaney", "htk"});
  see("floor", c.mel.floor);
  see("decades", c.mel.decades);
  see("whisper_range", c.mel.whisper_range);
  see("seconds", c.seconds);
  see("frames", c.frames);
};

void need(const char* what, bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse(what, expected, found);
}

/// [H, W, C] in as many channels as are asked for.
tensor with_channels(const tensor& image, long channels) {
  const long has = image.dim(2);
  if (has == channels) return image;
  if (has != 1 && has != 3) refuse("patches_read", "a picture of 1 or 3 channels", to_string(image.shape()));
  const tensor from = image.to_contiguous();
  tensor to = tensor::uninitialized({image.dim(0), image.dim(1), channels});
  const auto* x = from.data<const float>();
  auto* y = to.data<float>();
  for (long i = 0; i < image.dim(0) * image.dim(1); ++i) {
    if (channels == 1)
      y[i] = 0.299f * x[3 * i] + 0.587f * x[3 * i + 1] + 0.114f * x[3 * i + 2];
    else
      std::fill_n(y + channels * i, channels, x[i]);
  }
  return to;
}

/// The largest middle part whose sides are in this proportion.
tensor in_proportion(const tensor& image, long height, long width) {
  const long rows = std::min(image.dim(0), std::max(1L, image.dim(1) * height / width));
  const long columns = std::min(image.dim(1), std::max(1L, image.dim(0) * width / height));
  return rows == image.dim(0) && columns == image.dim(1) ? image : centre_crop(image, rows, columns);
}

}  // namespace

void check(const picture_reading& r) {
  constexpr auto what = "picture reading";
  for (const auto& [name, value] : {std::pair{"height", r.height}, {"width", r.width}, {"side", r.side}})
    need(what, value >= 1 && value <= 1 << 14, std::string(name) + " from 1 to 16384", std::to_string(value));
  need(what, r.channels == 1 || r.channels == 3, "1 or 3 channels", std::to_string(r.channels));
  need(what, r.height % r.side == 0 && r.width % r.side == 0, "a side that divides height and width",
       std::to_string(r.side) + " for " + std::to_string(r.height) + " x " + std::to_string(r.width));
  need(what, r.deviation > 0, "a deviation above 0", std::to_string(r.deviation));
}

void check(const sound_reading& r) {
  constexpr auto what = "sound reading";
  check(r.mel);
  need(what, r.frames >= 1 && r.frames <= 1 << 12, "frames from 1 to 4096", std::to_string(r.frames));
  need(what, r.seconds > 0 && r.seconds <= 3600 && r.tokens() >= 1, "seconds that hold a token, up to 3600",
       std::to_string(r.seconds));
}

tensor fitted(const tensor& image, const picture_reading& how) {
  check(how);
  if (image.rank() != 3 || image.size() == 0) refuse("patches_read", "a picture [H, W, C]", to_string(image.shape()));
  const tensor these = with_channels(image, how.channels);
  if (these.dim(0) == how.height && these.dim(1) == how.width) return these;
  return resized(in_proportion(these, how.height, how.width), how.height, how.width);
}

tensor patches_read(const tensor& image, const picture_reading& how) {
  const tensor all = patches(fitted(image, how), how.side);
  for (float& x : all.values<float>()) x = float((double(x) - how.mean) / how.deviation);
  return all;
}

tensor even_frames(const sound& what, const sound_reading& how) {
  check(how);
  sound heard = resampled(what, how.mel.rate);
  const long longest = how.tokens() * how.frames * how.mel.hop;
  const long shortest = std::max(how.frames * how.mel.hop, how.mel.window / 2 + 1);
  const long count = std::clamp(heard.samples.size(), std::min(shortest, longest), longest);
  if (count != heard.samples.size()) heard = fitted(heard, count);
  const tensor frames = log_mel(heard, how.mel);
  double sum = 0, squares = 0;
  for (const float x : frames.values<float>()) sum += double(x), squares += double(x) * double(x);
  const double mean = sum / double(frames.size());
  const double deviation = std::sqrt(std::max(0.0, squares / double(frames.size()) - mean * mean)) + 1e-5;
  for (float& x : frames.values<float>()) x = float((double(x) - mean) / deviation);
  return frames;
}

tensor frames_read(const sound& what, const sound_reading& how) {
  return frame_patches(even_frames(what, how), how.frames);
}

std::string to_json(const picture_reading& r) { return option_json::written(r, picture_fields); }
std::string to_json(const sound_reading& r) { return option_json::written(r, sound_fields); }
picture_reading picture_reading_from_json(const std::string& text) {
  return option_json::read_back<picture_reading>("picture reading", text, picture_fields);
}
sound_reading sound_reading_from_json(const std::string& text) {
  return option_json::read_back<sound_reading>("sound reading", text, sound_fields);
}

}  // namespace qkv
