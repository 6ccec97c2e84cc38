#include "qkv/io/idx.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Two pictures of 2 x 3 pixels with the bytes 0 .. 11.
std::string two_pictures() {
  std::string bytes("\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03", 16);
  for (char i = 0; i < 12; ++i) bytes += i;
  return bytes;
}

std::string compressed(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, uLong(bytes.size())), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = uInt(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = uInt(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

class Idx : public ::testing::Test {
 protected:
  byte_array read(const std::string& bytes) {
    put_bytes(folder_ / "pictures", bytes);
    return read_idx(folder_ / "pictures");
  }
  std::string complaint(const std::string& bytes) {
    return message_of<file_error>([&] { read(bytes); });
  }
  temporary_folder folder_;
};

TEST_F(Idx, HoldsBytesAndTheirSizes) {
  const auto array = read(two_pictures());
  EXPECT_EQ(array.shape, (shape{2, 2, 3}));
  EXPECT_THAT(array.values, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  const tensor second = image_of(array, 1);
  EXPECT_EQ(second.shape(), (shape{2, 3, 1}));
  EXPECT_FLOAT_EQ(second.at<float>(1, 2, 0), 11.0f / 255);
  EXPECT_THAT(message_of([&] { image_of(array, 2); }), HasSubstr("expected a number from 0 to 1; found 2"));
}

TEST_F(Idx, IsReadCompressedToo) {
  EXPECT_EQ(read(compressed(two_pictures())).values, read(two_pictures()).values);
  const std::string members = compressed(two_pictures().substr(0, 20)) + compressed(two_pictures().substr(20));
  EXPECT_EQ(read(members).values, read(two_pictures()).values);
}

TEST_F(Idx, RefusesAFileThatIsCutAnywhere) {
  for (const std::string& whole : {two_pictures(), compressed(two_pictures())})
    for (std::size_t length = 0; length < whole.size(); ++length)
      EXPECT_THAT(complaint(whole.substr(0, length)),
                  HasSubstr("pictures: expected an IDX file of unsigned bytes; found"))
          << length;
}

TEST_F(Idx, SaysWhatIsWrong) {
  EXPECT_THAT(complaint("not an IDX file at all"), HasSubstr("found other bytes at its beginning"));
  EXPECT_THAT(complaint(std::string("\0\0\x0D\x01\0\0\0\0", 8)), HasSubstr("found float32"));
  EXPECT_THAT(complaint(std::string("\0\0\x08\x01\xff\xff\xff\xff", 8)), HasSubstr("found 0 bytes where the sizes"));
  EXPECT_THAT(complaint(std::string("\0\0\x08\x03", 4) + std::string(12, '\xff')), HasSubstr("sizes whose product"));
  EXPECT_THAT(complaint(two_pictures() + "more"), HasSubstr("found 16 bytes where the sizes [2, 2, 3] say 12"));
  std::string damaged = compressed(two_pictures());
  damaged[damaged.size() - 6] ^= 1;  // in the checksum
  EXPECT_THAT(complaint(damaged), HasSubstr("found damaged compressed data"));
  EXPECT_THAT(message_of<file_error>([&] { read_idx(folder_ / "none"); }), HasSubstr("found no file of that name"));
}

}  // namespace
}  // namespace qkv
