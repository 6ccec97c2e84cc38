// Data that tests use when it is there: tiny Shakespeare, Multi30k and the like are other people's work and are
// not part of the project.  A test that needs a file that is not there skips and says so.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace qkv {

/// The path of `name` in the folder of test data: $QKV_TEST_DATA, else ../shared/data beside the project.
/// The file need not be there.
inline std::filesystem::path test_data(const std::string& name) {
  const char* folder = std::getenv("QKV_TEST_DATA");
  return (folder && *folder ? std::filesystem::path(folder)
                            : std::filesystem::path(QKV_SOURCE_DIR).parent_path() / "shared" / "data") /
         name;
}

}  // namespace qkv

/// Ends the test as skipped, with the reason, where the test data `name` is not there.
#define QKV_NEED_TEST_DATA(name)                                                                      \
  if (!std::filesystem::exists(qkv::test_data(name)))                                                 \
  GTEST_SKIP() << "no " << qkv::test_data(name).filename() << " in the folder of test data; set QKV_TEST_DATA to a " \
               << "folder that has " << (name)
