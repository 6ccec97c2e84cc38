#include "qkv/tokens/image_changes.h"

#include <algorithm>
#include <cmath>

namespace qkv {
namespace {

tensor checked(const char* operation, const tensor& image) {
  if (image.rank() != 3 || image.type() != dtype::float32 || image.size() == 0)
    refuse(operation, "a picture [H, W, C] float32", to_string(image.shape()));
  return image.to_contiguous();
}

/// The pixels that a pixel of the scaled picture is a mean of, and their weights.
struct blend {
  long first = 0;
  std::vector<float> weights;
};

/// Middles of pixels lie at 0.5, 1.5, ...; the triangle is as wide as a pixel of the coarser of the two pictures.
std::vector<blend> blends(long from, long to) {
  const double scale = double(from) / double(to), reach = std::max(scale, 1.0);
  std::vector<blend> all;
  for (long i = 0; i < to; ++i) {
    const double middle = (double(i) + 0.5) * scale;
    const long first = std::max(0L, long(std::floor(middle - reach))), end = std::min(from, long(middle + reach) + 1);
    std::vector<double> weights;
    double sum = 0;
    for (long j = first; j < end; ++j) {
      weights.push_back(std::max(0.0, 1 - std::abs(double(j) + 0.5 - middle) / reach));
      sum += weights.back();
    }
    blend b{first, {}};
    for (const double w : weights) b.weights.push_back(float(w / sum));
    all.push_back(std::move(b));
  }
  return all;
}

/// Scales the middle axis of [outer, from, inner].
tensor scaled(const tensor& x, long outer, long inner, const std::vector<blend>& how, shape s) {
  const long from = x.size() / (outer * inner), to = long(how.size());
  tensor y(std::move(s));
  const auto* source = x.data<const float>();
  auto* target = y.data<float>();
  for (long o = 0; o < outer; ++o)
    for (long i = 0; i < to; ++i)
      for (std::size_t j = 0; j < how[std::size_t(i)].weights.size(); ++j) {
        const auto* row = source + (o * from + how[std::size_t(i)].first + long(j)) * inner;
        for (long k = 0; k < inner; ++k) target[(o * to + i) * inner + k] += how[std::size_t(i)].weights[j] * row[k];
      }
  return y;
}

}  // namespace

tensor mirrored(const tensor& image) {
  const tensor from = checked("mirrored", image);
  const long width = from.dim(1), channels = from.dim(2);
  tensor to = tensor::uninitialized(from.shape());
  for (long row = 0; row < from.dim(0); ++row)
    for (long x = 0; x < width; ++x)
      std::copy_n(from.data<const float>() + (row * width + x) * channels, channels,
                  to.data<float>() + (row * width + width - 1 - x) * channels);
  return to;
}

tensor shifted(const tensor& image, long down, long right) {
  const tensor from = checked("shifted", image);
  const long height = from.dim(0), width = from.dim(1), channels = from.dim(2);
  tensor to(from.shape());
  const long left = std::max(0L, right), kept = std::min(width, width + right) - left;
  for (long y = std::max(0L, down); y < std::min(height, height + down) && kept > 0; ++y)
    std::copy_n(from.data<const float>() + ((y - down) * width + left - right) * channels, kept * channels,
                to.data<float>() + (y * width + left) * channels);
  return to;
}

tensor centre_crop(const tensor& image, long height, long width) {
  const tensor from = checked("centre_crop", image);
  const long top = from.dim(0) - height, left = from.dim(1) - width;
  if (top < 0 || left < 0 || height < 1 || width < 1)
    refuse("centre_crop", "a picture of at least " + std::to_string(height) + " x " + std::to_string(width),
           to_string(from.shape()));
  return from.slice(0, top / 2, top / 2 + height).slice(1, left / 2, left / 2 + width).to_contiguous();
}

tensor resized(const tensor& image, long height, long width) {
  const tensor from = checked("resized", image);
  if (height < 1 || width < 1)
    refuse("resized", "a height and a width of at least 1", std::to_string(height) + " x " + std::to_string(width));
  const long channels = from.dim(2);
  const tensor narrow = scaled(from, from.dim(0), channels, blends(from.dim(1), width), {from.dim(0), width, channels});
  return scaled(narrow, 1, width * channels, blends(from.dim(0), height), {height, width, channels});
}

tensor random_flip(const tensor& image, random_stream random, std::uint64_t index) {
  return random.bits(index) & 1 ? mirrored(image) : image;
}

tensor random_crop(const tensor& image, long margin, random_stream random, std::uint64_t index) {
  if (margin < 0) refuse("random_crop", "a margin of at least 0", std::to_string(margin));
  const auto places = std::uint64_t(2 * margin + 1);
  const long down = long(random.below(2 * index, places)) - margin;
  const long right = long(random.below(2 * index + 1, places)) - margin;
  return shifted(image, down, right);
}

}  // namespace qkv
