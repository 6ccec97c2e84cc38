#include "qkv/io/image_file.h"

#include <gmock/gmock.h>
#include <png.h>
#include <turbojpeg.h>

#include <cmath>

#include "qkv/base/random.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

tensor picture(long height, long width, long channels) {
  tensor image({height, width, channels});
  std::uint64_t i = 0;
  for (float& x : image.values<float>()) x = float(random_stream{1, 2}.below(i++, 256)) / 255;
  return image;
}

/// A picture without edges, which JPEG keeps well.
std::string jpeg(long height, long width, int format, int sampling) {
  std::vector<unsigned char> pixels;
  for (long y = 0; y < height; ++y)
    for (long x = 0; x < width; ++x)
      for (int c = 0; c < tjPixelSize[format]; ++c)
        pixels.push_back(static_cast<unsigned char>(40 * c + 4 * x + 2 * y));
  const tjhandle state = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  tjCompress2(state, pixels.data(), int(width), 0, int(height), format, &out, &size, sampling, 98, 0);
  std::string bytes(reinterpret_cast<const char*>(out), size);
  tjFree(out);
  tjDestroy(state);
  return bytes;
}

std::string png(unsigned format, const std::vector<unsigned char>& pixels, unsigned height, unsigned width) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width, image.height = height, image.format = format;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr);
  bytes.resize(size);
  return bytes;
}

class ImageFile : public ::testing::Test {
 protected:
  tensor read(const std::string& bytes, image_channels channels = image_channels::as_in_file) {
    put_bytes(folder_ / "picture", bytes);
    return read_image(folder_ / "picture", channels);
  }
  std::string complaint(const std::string& bytes) {
    return message_of<file_error>([&] { read(bytes); });
  }
  temporary_folder folder_;
};

TEST_F(ImageFile, PngGivesBackWhatWasWritten) {
  for (const long channels : {1L, 3L}) {
    const tensor image = picture(5, 7, channels);
    write_png(folder_ / "a.png", image);
    const tensor back = read_image(folder_ / "a.png");
    ASSERT_EQ(back.shape(), image.shape());
    for (long i = 0; i < image.size(); ++i) EXPECT_EQ(back.values<float>()[i], image.values<float>()[i]);
  }
}

TEST_F(ImageFile, WritesWhatLiesOutsideTheRangeAsItsEnds) {
  write_png(folder_ / "a.png", tensor({1, 3, 1}, {-1, 2, NAN}));
  const tensor back = read_image(folder_ / "a.png");
  EXPECT_EQ(back.at<float>(0, 0, 0), 0);
  EXPECT_EQ(back.at<float>(0, 1, 0), 1);
  EXPECT_EQ(back.at<float>(0, 2, 0), 0);
  EXPECT_THROW(write_png(folder_ / "b.png", tensor({2, 2, 2})), shape_error);
}

TEST_F(ImageFile, ShowsWhiteWhereAPictureIsTransparent) {
  const tensor image = read(png(PNG_FORMAT_RGBA, {255, 0, 0, 255, 255, 0, 0, 0}, 1, 2));
  ASSERT_EQ(image.shape(), (shape{1, 2, 3}));
  for (int c = 0; c < 3; ++c) EXPECT_EQ(image.at<float>(0, 0, c), c == 0);
  for (int c = 0; c < 3; ++c) EXPECT_EQ(image.at<float>(0, 1, c), 1);
}

TEST_F(ImageFile, TurnsColourToGreyAndGreyToColour) {
  const tensor grey = read(png(PNG_FORMAT_RGB, {255, 0, 0, 0, 255, 0}, 1, 2), image_channels::grey);
  ASSERT_EQ(grey.shape(), (shape{1, 2, 1}));
  EXPECT_NEAR(grey.at<float>(0, 0, 0), 0.299, 1e-6);
  EXPECT_NEAR(grey.at<float>(0, 1, 0), 0.587, 1e-6);
  const tensor colour = read(png(PNG_FORMAT_GRAY, {51, 102}, 1, 2), image_channels::colour);
  ASSERT_EQ(colour.shape(), (shape{1, 2, 3}));
  for (int c = 0; c < 3; ++c) EXPECT_FLOAT_EQ(colour.at<float>(0, 1, c), 0.4f);
}

TEST_F(ImageFile, ReadsJpegInColourAndInGrey) {
  for (const int format : {TJPF_GRAY, TJPF_RGB}) {
    const tensor image = read(jpeg(17, 23, format, format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444));
    ASSERT_EQ(image.shape(), (shape{17, 23, format == TJPF_GRAY ? 1 : 3}));
    for (long c = 0; c < image.dim(2); ++c)
      EXPECT_NEAR(image.at<float>(9, 11, c), float(40 * c + 4 * 11 + 2 * 9) / 255, 0.02);
  }
}

TEST_F(ImageFile, RefusesPicturesThatAreCutAnywhere) {
  for (const std::string& whole : {jpeg(17, 23, TJPF_RGB, TJSAMP_420), png(PNG_FORMAT_GRAY, {1, 2, 3, 4}, 2, 2)})
    for (std::size_t length = 0; length + 12 < whole.size(); ++length)  // the last 12 bytes say that it ends
      EXPECT_THAT(complaint(whole.substr(0, length)), HasSubstr("picture: expected a PNG or JPEG picture; found"))
          << length;
}

TEST_F(ImageFile, SurvivesAnyChangedByte) {
  for (const std::string& whole : {jpeg(17, 23, TJPF_RGB, TJSAMP_420), png(PNG_FORMAT_GRAY, {1, 2, 3, 4}, 2, 2)})
    for (std::size_t place = 0; place < whole.size(); ++place) {
      std::string changed = whole;
      changed[place] = char(changed[place] ^ 0x5a);
      try {
        read(changed);
      } catch (const file_error&) {}
    }
}

TEST_F(ImageFile, SaysWhatIsWrong) {
  EXPECT_THAT(complaint("GIF89a"), HasSubstr("found another format"));
  EXPECT_THAT(complaint(""), HasSubstr("found an empty file"));
  EXPECT_THAT(complaint(jpeg(8, 8, TJPF_CMYK, TJSAMP_444)), HasSubstr("found colours for printers (CMYK)"));
  std::string large = png(PNG_FORMAT_GRAY, {1, 2, 3, 4}, 2, 2);
  EXPECT_THAT(message_of<file_error>([&] { read_image(folder_ / "none.png"); }),
              HasSubstr("found no file of that name"));
  EXPECT_THAT(message_of<file_error>([&] { read_image(folder_.path()); }), HasSubstr("found a directory"));
}

}  // namespace
}  // namespace qkv
