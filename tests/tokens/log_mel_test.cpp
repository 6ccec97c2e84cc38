#include "qkv/tokens/log_mel.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <complex>

#include "qkv/base/threads.h"
#include "qkv/tokens/fourier.h"
#include "tests/base/message_of.h"
#include "tests/test_data.h"
#include "tests/tokens/sounds.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

// Whisper's features as its paper and program have them, with nothing shared: torch.stft and librosa's filters written
// out as sums.
namespace oracle {

double hertz(double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * std::exp(std::log(6.4) / 27 * (mel - 15)); }

std::vector<std::vector<double>> log_mel(const std::vector<double>& sound) {
  const long size = 400, hop = 160, bins = 201, bands = 80;
  const double pi = std::numbers::pi;
  std::vector<double> padded;  // reflect: the ends are not repeated
  for (long n = 200; n > 0; --n) padded.push_back(sound[std::size_t(n)]);
  padded.insert(padded.end(), sound.begin(), sound.end());
  for (long n = 1; n <= 200; ++n) padded.push_back(sound[sound.size() - 1 - std::size_t(n)]);
  const double top = 15 + 27 * std::log(8.0) / std::log(6.4);  // 8000 Hz in mels
  std::vector<std::complex<double>> turns;
  for (long k = 0; k < size; ++k) turns.push_back(std::polar(1.0, -2 * pi * double(k) / 400));
  std::vector<std::vector<double>> frames;
  double loudest = -1e300;
  for (long t = 0; t * hop + size <= long(padded.size()); ++t) {
    std::vector<double> power;
    for (long k = 0; k < bins; ++k) {
      std::complex<double> sum = 0;
      for (long n = 0; n < size; ++n)
        sum += padded[std::size_t(t * hop + n)] * (1 - turns[std::size_t(n)].real()) / 2.0 *
               turns[std::size_t(k * n % size)];
      power.push_back(std::norm(sum));
    }
    std::vector<double> frame;
    for (long m = 0; m < bands; ++m) {
      const double left = hertz(top * double(m) / 81), middle = hertz(top * double(m + 1) / 81),
                   right = hertz(top * double(m + 2) / 81);
      double sum = 0;
      for (long k = 0; k < bins; ++k) {
        const double f = 40.0 * double(k);
        if (f > left && f < right)
          sum += power[std::size_t(k)] * (f < middle ? (f - left) / (middle - left) : (right - f) / (right - middle)) *
                 (2 / (right - left));
      }
      frame.push_back(std::log10(std::max(sum, 1e-10)));
    }
    frames.push_back(frame);
  }
  frames.pop_back();  // Whisper drops the last
  for (const auto& frame : frames) loudest = std::max(loudest, *std::ranges::max_element(frame));
  for (auto& frame : frames)
    for (double& x : frame) x = (std::max(x, loudest - 8) + 4) / 4;
  return frames;
}

}  // namespace oracle

void expect_as_defined(const sound& what) {
  const auto samples = what.samples.values<float>();
  const auto expected = oracle::log_mel({samples.begin(), samples.end()});
  const tensor found = log_mel(what);
  ASSERT_EQ(found.shape(), (shape{long(expected.size()), 80}));
  double worst = 0;
  for (long t = 0; t < found.dim(0); ++t)
    for (long m = 0; m < 80; ++m)
      worst = std::max(worst, std::abs(double(found.at<float>(t, m)) - expected[std::size_t(t)][std::size_t(m)]));
  EXPECT_LT(worst, 1e-6);
}

TEST(LogMel, IsThatOfWhisper) { expect_as_defined(sweep(16000, 16000, 50, 7900)); }

TEST(LogMel, IsThatOfWhisperForSpeech) {
  QKV_NEED_TEST_DATA("speech/jfk.wav");
  sound speech = read_sound(test_data("speech/jfk.wav"));
  speech.samples = speech.samples.slice(0, 8000, 40123).to_contiguous();
  expect_as_defined(speech);
}

TEST(LogMel, ShowsATonesPitch) {
  const tensor mel = log_mel(sweep(8000, 16000, 1000, 1000));
  const auto row = mel.select(0, 25).values<float>();
  const double top = 15 + 27 * std::log(8.0) / std::log(6.4);
  EXPECT_NEAR(double(std::ranges::max_element(row) - row.begin()), 15 / top * 81 - 1, 1);
}

TEST(LogMel, OfSilenceIsEven) {
  const tensor silence = log_mel({tensor({4000}), 16000});
  for (const float x : silence.values<float>()) EXPECT_EQ(x, -1.5f);
}

TEST(LogMel, TakesOtherSizes) {
  const log_mel_options options{.rate = 8000,
                                .window = 243,
                                .hop = 80,
                                .bands = 24,
                                .lowest = 60,
                                .highest = 3800,
                                .scale = mel_scale::htk,
                                .decades = 0,
                                .whisper_range = false};
  const tensor mel = log_mel(sweep(4000, 8000, 100, 3000), options);
  EXPECT_EQ(mel.shape(), (shape{50, 24}));
  for (const float x : mel.values<float>()) EXPECT_GE(x, -10);
  const tensor filters = mel_filters(options);
  EXPECT_EQ(filters.shape(), (shape{24, 122}));
  EXPECT_EQ(filters.at<double>(0, 1), 0) << "below the lowest frequency";
}

TEST(LogMel, HasTheSameBitsForAnyNumberOfThreads) {
  const sound a = sweep(30000, 16000, 100, 5000);
  const int before = thread_count();
  const tensor first = log_mel(a);
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    const tensor again = log_mel(a);
    EXPECT_TRUE(std::ranges::equal(first.values<float>(), again.values<float>()));
  }
  set_thread_count(before);
}

TEST(LogMel, SaysWhatIsWrong) {
  EXPECT_THAT(message_of([] {
                log_mel({tensor({4000}), 8000});
              }),
              HasSubstr("log_mel: expected a sound of 16000 samples a second, as resampled() makes it; found 8000"));
  EXPECT_THAT(message_of([] {
                log_mel({tensor({200}), 16000});
              }),
              HasSubstr("at least 201 samples; found 200; fitted() adds silence"));
  EXPECT_EQ(log_mel({tensor({201}), 16000}).shape(), (shape{1, 80}));
  EXPECT_THAT(message_of([] { check({.highest = 9000}); }), HasSubstr("between 0 and half the rate, 8000 Hz"));
  EXPECT_THAT(message_of([] { check({.hop = 0}); }), HasSubstr("hop from 1"));
}

TEST(Fitted, AddsSilenceOrCuts) {
  const sound a = sweep(10, 16000, 1000, 1000);
  EXPECT_EQ(fitted(a, 4).samples.size(), 4);
  const sound longer = fitted(a, 12);
  EXPECT_EQ(longer.samples.at<float>(9), a.samples.at<float>(9));
  EXPECT_EQ(longer.samples.at<float>(11), 0);
  EXPECT_EQ(fitted({tensor({0}), 16000}, 3).samples.size(), 3);
}

TEST(RealFourier, IsTheSumThatDefinesIt) {
  for (const long length : {1L, 2L, 3L, 8L, 13L, 30L, 97L, 243L, 400L}) {
    const real_fourier transform(length);
    real_fourier::memory scratch(transform);
    std::vector<double> x, powers(std::size_t(transform.bins()));
    for (long n = 0; n < length; ++n) x.push_back(std::sin(double(n * n)) + 0.3);
    transform.powers(x, powers, scratch);
    for (long k = 0; k < transform.bins(); ++k) {
      std::complex<double> sum = 0;
      for (long n = 0; n < length; ++n)
        sum += x[std::size_t(n)] * std::polar(1.0, -2 * std::numbers::pi * double(k * n % length) / double(length));
      EXPECT_NEAR(powers[std::size_t(k)], std::norm(sum), 1e-9 * double(length)) << length << " " << k;
    }
  }
}

}  // namespace
}  // namespace qkv
