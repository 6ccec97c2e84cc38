#include "qkv/io/mapped_text.h"

#include <sys/mman.h>

#include "qkv/io/input_file.h"
#include "qkv/io/text_file.h"

namespace qkv {

mapped_text::mapped_text(const std::filesystem::path& path) {
  const input_file file(path, "a text in UTF-8");
  if (file.is_regular() && file.size() > 0) {
    mapped_ = std::size_t(file.size());
    void* const found = mmap(nullptr, mapped_, PROT_READ, MAP_PRIVATE, file.number(), 0);
    if (found != MAP_FAILED) mapping_ = found;
  }
  if (mapping_) {
    madvise(mapping_, mapped_, MADV_SEQUENTIAL);
    text_ = {static_cast<const char*>(mapping_), mapped_};
  } else {
    read_ = file.read_all();
    text_ = read_;
  }
  try {
    text_ = checked_text(file, text_);
  } catch (...) {
    if (mapping_) munmap(mapping_, mapped_);
    throw;
  }
}

mapped_text::~mapped_text() {
  if (mapping_) munmap(mapping_, mapped_);
}

}  // namespace qkv
