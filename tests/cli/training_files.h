// A text to learn from, and a small model trained on it by the program.
#pragma once
#include "tests/cli/program.h"

namespace qkv {

/// 6,000 characters, some of which mean something to HTML, JSON and terminals.
inline std::string text_to_learn() {
  std::string text;
  while (text.size() < 6000) text += "</script><b>Shall I & \"you\" 'compare' {thee}\\ to\t\x1b[31m été?\n";
  return text.substr(0, text.rfind('\n') + 1);
}

inline std::vector<std::string> training(const std::filesystem::path& text, const std::filesystem::path& out,
                                         std::vector<std::string> more = {}) {
  std::vector<std::string> all{"train", "--text",  text, "--out",     out,  "--layers", "2", "--heads",
                               "2",     "--width", "16", "--context", "24", "--batch",  "4"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class WithModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new temporary_folder;
    put_bytes(text(), text_to_learn());
    const finished done = qkv_program(training(text(), model(), {"--steps", "60", "--quiet"}));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static std::filesystem::path text() { return *folder_ / "text.txt"; }
  static std::filesystem::path model() { return *folder_ / "model"; }
  /// The model alone, without the run around it.
  static std::filesystem::path model_file() { return model() / "step-00000060" / "model.safetensors"; }
  static std::filesystem::path in_folder(const std::string& name) { return *folder_ / name; }

 private:
  static inline temporary_folder* folder_ = nullptr;
};

}  // namespace qkv
