#include "qkv/io/text_file.h"

#include <span>

#include "qkv/io/atomic_file.h"
#include "qkv/io/input_file.h"
#include "qkv/io/utf8.h"

namespace qkv {

std::string_view checked_text(const input_file& file, std::string_view text) {
  if (text.empty()) file.refuse("an empty file");
  if (begins_as_utf16(text)) file.refuse("one in UTF-16; save it as UTF-8");
  if (const std::size_t nul = text.find('\0'); nul != std::string::npos) {
    file.refuse("a NUL byte at byte " + std::to_string(nul) + ", as binary files and UTF-16 have; save it as UTF-8");
  }
  if (const std::size_t valid = valid_utf8_length(text); valid < text.size()) {
    file.refuse("bytes that are not UTF-8 at byte " + std::to_string(valid) + "; save it as UTF-8");
  }
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  if (text.empty()) file.refuse("nothing but a byte order mark");
  return text;
}

bool begins_as_utf16(std::string_view bytes) { return bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF"); }

std::string read_text(const std::filesystem::path& path) {
  const input_file file(path, "a text in UTF-8");
  std::string text = file.read_all();
  text.erase(0, text.size() - checked_text(file, text).size());
  return text;
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  atomic_file file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

}  // namespace qkv
