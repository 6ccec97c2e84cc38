// Own lines of many kinds, for training and for trying: German, French, English, emoji, Chinese, Japanese, Korean,
// odd spaces, numbers of several scripts.
#pragma once
#include <fstream>
#include <string>
#include <vector>

#include "qkv/io/text_file.h"
#include "qkv/tokens/training.h"

namespace qkv {

inline std::vector<std::string> sample_lines() {
  return lines_of(read_text(std::string(QKV_SOURCE_DIR) + "/tests/tokens/sample_lines.txt"));
}

}  // namespace qkv
