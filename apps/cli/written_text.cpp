#include "apps/cli/written_text.h"

#include <cstdio>

#include "apps/cli/terminal.h"
#include "qkv/io/utf8.h"

namespace qkv::cli {

std::string printable(const std::string& text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = next_code_point(text, at);
    const std::string character = text.substr(start, at - start);
    shown += c == '\n' || c == '\t' || c == ' ' ? character : visible(character, look::unicode);
  }
  return shown;
}

bool print_text(const std::string& piece) {
  const std::string shown = is_terminal(stdout) ? printable(piece) : piece;
  return std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() && std::fflush(stdout) == 0;
}

}  // namespace qkv::cli
