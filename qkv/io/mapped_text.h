// A text that the system reads as it is used, and forgets again: for texts larger than one likes to hold.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace qkv {

class mapped_text {
 public:
  /// The same text as read_text()'s, with the same errors.  Pipes, which cannot be mapped, are read.
  /// The file must not become shorter while this lives.
  explicit mapped_text(const std::filesystem::path& path);
  ~mapped_text();
  mapped_text(const mapped_text&) = delete;
  mapped_text& operator=(const mapped_text&) = delete;

  std::string_view view() const { return text_; }

 private:
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
  std::string read_;
  std::string_view text_;
};

}  // namespace qkv
