#include "apps/cli/written_text.h"

#include <cstdio>

#include "apps/cli/terminal.h"
#include "qkv/io/utf8.h"

namespace qkv::cli {

bool print_text(const std::string& piece) {
  std::string shown;
  if (is_terminal(stdout)) {
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t start = at;
      const char32_t c = next_code_point(piece, at);
      const std::string character = piece.substr(start, at - start);
      shown += c == '\n' || c == '\t' || c == ' ' ? character : visible(character, look::unicode);
    }
  } else {
    shown = piece;
  }
  return std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() && std::fflush(stdout) == 0;
}

}  // namespace qkv::cli
