#include "qkv/io/sound_file.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"
#include "tests/test_data.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

std::string number(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += char(value >> (8 * i));
  return text;
}

/// A WAV file of these bytes; format 1: whole numbers, 3: float32.
std::string wav(int format, int channels, int bits, const std::string& data, std::uint32_t rate = 8000) {
  const auto frame = std::uint32_t(channels * bits / 8);
  return "RIFF" + number(std::uint32_t(36 + data.size()), 4) + "WAVEfmt " + number(16, 4) +
         number(std::uint32_t(format), 2) + number(std::uint32_t(channels), 2) + number(rate, 4) +
         number(rate * frame, 4) + number(frame, 2) + number(std::uint32_t(bits), 2) + "data" +
         number(std::uint32_t(data.size()), 4) + data;
}

std::string floats(std::initializer_list<float> values) {
  std::string data;
  for (const float x : values) data += number(std::bit_cast<std::uint32_t>(x), 4);
  return data;
}

class SoundFile : public ::testing::Test {
 protected:
  sound read(const std::string& bytes) {
    put_bytes(folder_ / "sound", bytes);
    return read_sound(folder_ / "sound");
  }
  std::string complaint(const std::string& bytes) {
    return message_of<file_error>([&] { read(bytes); });
  }
  temporary_folder folder_;
};

sound tone(long count, long rate) {
  tensor samples({count});
  for (long n = 0; n < count; ++n)
    samples.at<float>(n) =
        float(std::round(16384 * std::sin(2 * std::numbers::pi * 440 * double(n) / double(rate)))) / 32768;
  return {samples, rate};
}

TEST_F(SoundFile, GivesBackWhatWasWritten) {
  const sound a = tone(2000, 11025);
  for (const char* name : {"a.wav", "a.flac"}) {
    write_sound(folder_ / name, a);
    const sound back = read_sound(folder_ / name);
    EXPECT_EQ(back.rate, 11025);
    ASSERT_EQ(back.samples.shape(), a.samples.shape());
    for (long n = 0; n < 2000; ++n) EXPECT_EQ(back.samples.at<float>(n), a.samples.at<float>(n));
  }
  EXPECT_THAT(message_of([&] { write_sound(folder_ / "a.mp9", a); }),
              HasSubstr("ends in .wav or .flac; found \".mp9\""));
  EXPECT_THROW(write_sound(folder_ / "b.wav", {tensor({0}), 8000}), shape_error);
}

TEST_F(SoundFile, MixesChannelsDown) {
  const sound stereo = read(wav(1, 2, 16, number(0x4000, 2) + number(0, 2) + number(0x8000, 2) + number(0x8000, 2)));
  ASSERT_EQ(stereo.samples.size(), 2);
  EXPECT_EQ(stereo.rate, 8000);
  EXPECT_EQ(stereo.samples.at<float>(0), 0.25f);
  EXPECT_EQ(stereo.samples.at<float>(1), -1.0f);
}

TEST_F(SoundFile, ReadsOtherSampleTypes) {
  EXPECT_EQ(read(wav(1, 1, 8, "\xc0")).samples.at<float>(0), 0.5f);
  EXPECT_EQ(read(wav(1, 1, 24, number(0x400000, 3))).samples.at<float>(0), 0.5f);
  EXPECT_EQ(read(wav(3, 1, 32, floats({1.5f}))).samples.at<float>(0), 1.5f);
}

TEST_F(SoundFile, RefusesASoundThatIsCutAnywhere) {
  for (const char* name : {"a.wav", "a.flac"}) {
    write_sound(folder_ / name, tone(300, 8000));
    const std::string whole = bytes_of_file(folder_ / name);
    for (std::size_t length = 0; length + 1 < whole.size(); ++length)
      EXPECT_THAT(complaint(whole.substr(0, length)), HasSubstr("sound: expected a sound (WAV, FLAC); found"))
          << name << " " << length;
  }
}

TEST_F(SoundFile, SurvivesAnyChangedByte) {
  for (const char* name : {"a.wav", "a.flac"}) {
    write_sound(folder_ / name, tone(100, 8000));
    const std::string whole = bytes_of_file(folder_ / name);
    for (std::size_t place = 0; place < whole.size(); ++place) {
      std::string changed = whole;
      changed[place] = char(changed[place] ^ 0x5a);
      try {
        read(changed);
      } catch (const file_error&) {}
    }
  }
}

TEST_F(SoundFile, SaysWhatIsWrong) {
  EXPECT_THAT(complaint(""), HasSubstr("found an empty file"));
  EXPECT_THAT(complaint("a text"), HasSubstr("found another format, or a damaged file"));
  EXPECT_THAT(complaint(wav(1, 1, 16, "")), HasSubstr("found a sound without samples"));
  EXPECT_THAT(complaint(wav(3, 1, 32, floats({0, INFINITY}))), HasSubstr("a sample that is not finite, number 1"));
  EXPECT_THAT(message_of<file_error>([&] { read_sound(folder_ / "none"); }), HasSubstr("found no file of that name"));
}

TEST_F(SoundFile, ReadsSpeech) {
  QKV_NEED_TEST_DATA("speech/jfk.wav");
  const sound speech = read_sound(test_data("speech/jfk.wav"));
  EXPECT_EQ(speech.rate, 16000);
  EXPECT_NEAR(speech.seconds(), 11, 0.01);
}

}  // namespace
}  // namespace qkv
