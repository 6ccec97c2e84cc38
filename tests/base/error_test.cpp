#include "qkv/base/error.h"

#include <gtest/gtest.h>

namespace qkv {
namespace {

TEST(Refuse, NamesTheOperationWhatWasExpectedAndWhatWasFound) {
  try {
    refuse("reshape", "6 elements", "[4]");
  } catch (const shape_error& e) {
    EXPECT_STREQ(e.what(), "reshape: expected 6 elements; found [4]");
  }
}

}  // namespace
}  // namespace qkv
