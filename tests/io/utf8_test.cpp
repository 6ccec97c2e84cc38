#include "qkv/io/utf8.h"

#include <gtest/gtest.h>

namespace qkv {
namespace {

TEST(Utf8, ReturnsEveryCodePointThatWasAppended) {
  std::string text;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c < 0xD800 || c >= 0xE000) append_utf8(text, c);
  }
  EXPECT_EQ(valid_utf8_length(text), text.size());
  std::size_t position = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    ASSERT_EQ(next_code_point(text, position), c);
  }
  EXPECT_EQ(position, text.size());
}

TEST(Utf8, StopsAtTheFirstInvalidByte) {
  EXPECT_EQ(valid_utf8_length(""), 0u);
  EXPECT_EQ(valid_utf8_length("ab\x80"), 2u) << "a continuation without a start";
  EXPECT_EQ(valid_utf8_length("ab\xC3"), 2u) << "cut short";
  EXPECT_EQ(valid_utf8_length("ab\xC3z"), 2u) << "a start without its continuation";
  EXPECT_EQ(valid_utf8_length("\xC0\x80"), 0u) << "overlong, two bytes";
  EXPECT_EQ(valid_utf8_length("\xE0\x80\x80"), 0u) << "overlong, three bytes";
  EXPECT_EQ(valid_utf8_length("\xF0\x80\x80\x80"), 0u) << "overlong, four bytes";
  EXPECT_EQ(valid_utf8_length("\xED\xA0\x80"), 0u) << "a surrogate";
  EXPECT_EQ(valid_utf8_length("\xF4\x90\x80\x80"), 0u) << "above U+10FFFF";
  EXPECT_EQ(valid_utf8_length("\xFF"), 0u);
}

}  // namespace
}  // namespace qkv
