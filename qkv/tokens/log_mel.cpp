#include "qkv/tokens/log_mel.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "qkv/base/threads.h"
#include "qkv/tokens/fourier.h"

namespace qkv {
namespace {

// Slaney 1998 (Auditory Toolbox): 200/3 Hz a mel up to 1 kHz, then 27 mels to a factor of 6.4.
constexpr double hertz_a_mel = 200.0 / 3, bend = 1000, mels_at_bend = bend / hertz_a_mel;
const double log_step = std::log(6.4) / 27;

double to_mel(double hertz, mel_scale scale) {
  if (scale == mel_scale::htk) return 2595 * std::log10(1 + hertz / 700);
  return hertz < bend ? hertz / hertz_a_mel : mels_at_bend + std::log(hertz / bend) / log_step;
}

double to_hertz(double mel, mel_scale scale) {
  if (scale == mel_scale::htk) return 700 * (std::pow(10, mel / 2595) - 1);
  return mel < mels_at_bend ? mel * hertz_a_mel : bend * std::exp(log_step * (mel - mels_at_bend));
}

double highest_of(const log_mel_options& o) { return o.highest > 0 ? o.highest : double(o.rate) / 2; }

/// A filter without the zeros around it.
struct band {
  long first = 0;
  std::vector<double> weights;
};

std::vector<band> bands_of(const log_mel_options& options) {
  const tensor filters = mel_filters(options);
  std::vector<band> all;
  for (long m = 0; m < filters.dim(0); ++m) {
    const auto row = filters.select(0, m).values<const double>();
    const auto positive = [](double w) { return w > 0; };
    const auto first = std::ranges::find_if(row, positive);
    const auto end = std::find_if(row.rbegin(), row.rend(), positive).base();
    all.push_back(first < end ? band{first - row.begin(), {first, end}} : band{});
  }
  return all;
}

/// The place of sample n where the sound is mirrored at its ends, these not repeated: -1 is 1.
long reflected(long n, long count) {
  if (n < 0) n = -n;
  return n < count ? n : 2 * (count - 1) - n;
}

}  // namespace

void check(const log_mel_options& o) {
  const auto need = [](bool holds, const std::string& expected, const std::string& found) {
    if (!holds) refuse("log_mel", expected, found);
  };
  for (const auto& [name, value] :
       {std::pair{"rate", o.rate}, {"window", o.window}, {"hop", o.hop}, {"bands", o.bands}})
    need(value >= 1 && value <= 1L << 24, std::string(name) + " from 1 to 2^24", std::to_string(value));
  need(o.window >= 2, "a window of at least 2 samples", std::to_string(o.window));
  need(o.window <= 1 << 16 && o.bands <= 1 << 12, "a window of at most 65536 and at most 4096 bands",
       std::to_string(o.window) + " and " + std::to_string(o.bands));
  need(o.lowest >= 0 && o.lowest < highest_of(o) && highest_of(o) <= double(o.rate) / 2,
       "bands between 0 and half the rate, " + std::to_string(o.rate / 2) + " Hz",
       std::to_string(o.lowest) + " to " + std::to_string(highest_of(o)));
  need(o.floor > 0 && o.decades >= 0, "a floor above 0 and at least 0 decades",
       std::to_string(o.floor) + " and " + std::to_string(o.decades));
}

tensor mel_filters(const log_mel_options& o) {
  check(o);
  const long bins = o.window / 2 + 1;
  std::vector<double> edges;  // of the triangles: each begins in the middle of the one before
  const double from = to_mel(o.lowest, o.scale), to = to_mel(highest_of(o), o.scale);
  for (long i = 0; i < o.bands + 2; ++i)
    edges.push_back(to_hertz(from + (to - from) * double(i) / double(o.bands + 1), o.scale));
  tensor filters({o.bands, bins}, dtype::float64);
  for (long m = 0; m < o.bands; ++m) {
    const double left = edges[std::size_t(m)], middle = edges[std::size_t(m + 1)], right = edges[std::size_t(m + 2)];
    for (long k = 0; k < bins; ++k) {
      const double hertz = double(k) * double(o.rate) / double(o.window);
      const double height = std::min((hertz - left) / (middle - left), (right - hertz) / (right - middle));
      filters.at<double>(m, k) = std::max(0.0, height) * 2 / (right - left);
    }
  }
  return filters;
}

tensor log_mel(const sound& what, const log_mel_options& o) {
  check(o);
  if (what.rate != o.rate)
    refuse("log_mel", "a sound of " + std::to_string(o.rate) + " samples a second, as resampled() makes it",
           std::to_string(what.rate));
  if (what.samples.rank() != 1) refuse("log_mel", "samples [N]", to_string(what.samples.shape()));
  const long count = what.samples.size(), frames = count / o.hop, before = o.window / 2;
  if (count <= before || frames < 1)
    refuse("log_mel", "a sound of at least " + std::to_string(std::max(before + 1, o.hop)) + " samples",
           std::to_string(count) + "; fitted() adds silence");
  const tensor samples = what.samples.to(dtype::float32).to_contiguous();
  const auto* x = samples.data<const float>();
  std::vector<double> window;
  for (long n = 0; n < o.window; ++n)
    window.push_back(0.5 - 0.5 * std::cos(2 * std::numbers::pi * double(n) / double(o.window)));
  const auto bands = bands_of(o);
  const real_fourier transform(o.window);
  std::vector<double> logs(std::size_t(frames * o.bands));

  constexpr long frames_at_once = 16;
  parallel_for((frames + frames_at_once - 1) / frames_at_once, [&](long piece, int) {
    real_fourier::memory scratch(transform);
    std::vector<double> windowed(std::size_t(o.window)), powers(std::size_t(transform.bins()));
    for (long t = piece * frames_at_once; t < std::min(frames, (piece + 1) * frames_at_once); ++t) {
      for (long n = 0; n < o.window; ++n)
        windowed[std::size_t(n)] = window[std::size_t(n)] * double(x[reflected(t * o.hop + n - before, count)]);
      transform.powers(windowed, powers, scratch);
      for (long m = 0; m < o.bands; ++m) {
        const band& b = bands[std::size_t(m)];
        double power = 0;
        for (std::size_t k = 0; k < b.weights.size(); ++k) power += b.weights[k] * powers[std::size_t(b.first) + k];
        logs[std::size_t(t * o.bands + m)] = std::log10(std::max(power, o.floor));
      }
    }
  });

  const double least = o.decades > 0 ? *std::ranges::max_element(logs) - o.decades : std::log10(o.floor);
  tensor result = tensor::uninitialized({frames, o.bands});
  std::ranges::transform(logs, result.data<float>(), [&](double power) {
    const double kept = std::max(power, least);
    return float(o.whisper_range ? (kept + 4) / 4 : kept);
  });
  return result;
}

sound fitted(const sound& what, long count) {
  if (what.samples.rank() != 1 || count < 1)
    refuse("fitted", "samples [N] and a count of at least 1",
           to_string(what.samples.shape()) + " and " + std::to_string(count));
  tensor samples({count});
  const long kept = std::min(count, what.samples.size());
  if (kept > 0) samples.slice(0, 0, kept).copy_from(what.samples.slice(0, 0, kept));
  return {std::move(samples), what.rate};
}

}  // namespace qkv
