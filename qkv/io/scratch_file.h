// Memory that the system may write to disk and fetch again: an array in a file without a name, gone with its owner.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>

namespace qkv {

class scratch_file {
 public:
  /// @param folder  where the file lies, while it lies anywhere
  /// @param bytes  how many of them; zeros at first
  /// @throws file_error where the folder has no room for it
  scratch_file(const std::filesystem::path& folder, std::uint64_t bytes);
  ~scratch_file();
  scratch_file(scratch_file&& other) noexcept;
  scratch_file& operator=(scratch_file&&) = delete;

  template <class T>
  std::span<T> as() const {
    return {static_cast<T*>(memory_), std::size_t(bytes_ / sizeof(T))};
  }

 private:
  void* memory_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace qkv
