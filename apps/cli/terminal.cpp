#include "apps/cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <clocale>
#include <cwchar>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "qkv/io/utf8.h"

namespace qkv::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// The locale's character set; a locale that nobody has set is taken for UTF-8, as in a fresh container.
bool speaks_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (std::string value = variable(name); !value.empty()) {
      std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::tolower(c); });
      return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
    }
  return true;
}

int columns_of(char32_t code_point) {
  static const bool ready = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr;
  const int width = ready ? ::wcwidth(wchar_t(code_point)) : 1;
  return width < 0 ? 1 : width;
}

std::string repeated(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

bool is_terminal(std::FILE* stream) { return ::isatty(::fileno(stream)) == 1; }

look look_of_terminal(std::FILE* stream) {
  const std::string kind = variable("TERM");
  if (!is_terminal(stream) || kind.empty() || kind == "dumb" || !speaks_unicode()) return look::ascii;
  return variable("NO_COLOR").empty() ? look::colour : look::unicode;
}

int columns_of_terminal(std::FILE* stream) {
  winsize size{};
  if (is_terminal(stream) && ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 100;
}

int columns_of(std::string_view text) {
  int columns = 0;
  for (std::size_t at = 0; at < text.size();) columns += columns_of(next_code_point(text, at));
  return columns;
}

std::string left_aligned(std::string_view text, int columns) {
  return std::string(text) + std::string(std::max(0, columns - columns_of(text)), ' ');
}

std::string right_aligned(std::string_view text, int columns) {
  return std::string(std::max(0, columns - columns_of(text)), ' ') + std::string(text);
}

std::string visible(std::string_view token, look how) {
  const bool ascii = how == look::ascii;
  std::string label;
  for (std::size_t at = 0; at < token.size();) {
    const char32_t c = next_code_point(token, at);
    const bool directs = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);  // the direction of writing
    if (c == ' ')
      label += ascii ? "_" : "␣";
    else if (c == '\n')
      label += ascii ? "\\n" : "⏎";
    else if (c == '\t')
      label += ascii ? "\\t" : "⇥";
    else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || directs)
      label += fmt::format("\\x{:02x}", unsigned(c));
    else
      append_utf8(label, c);
  }
  return label;
}

std::string short_label(std::string_view token, int columns, look how) {
  const std::string label = visible(token, how);
  if (columns_of(label) <= columns) return label;
  std::size_t end = 0;
  for (std::size_t next = 0; columns_of(std::string_view(label).substr(0, next)) < columns;
       next_code_point(label, next))
    end = next;
  return label.substr(0, end) + (how == look::ascii ? "~" : "…");
}

std::string bold(std::string_view text, look how) {
  return how == look::colour ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

std::string dim(std::string_view text, look how) {
  return how == look::colour ? fmt::format("\x1b[2m{}\x1b[0m", text) : std::string(text);
}

std::string shade(double weight, int columns, look how) {
  static constexpr std::array ascii{" ", ".", ":", "*", "#", "@"};
  static constexpr std::array blocks{" ", "░", "▒", "▓", "█"};
  // Square roots, so that a tenth of the weight can still be seen.
  const double strength = std::sqrt(std::clamp(weight, 0.0, 1.0));
  const auto step = [&](std::size_t steps) {
    return weight < 0.01 ? 0 : std::clamp<std::size_t>(std::size_t(strength * double(steps)), 1, steps - 1);
  };
  if (how == look::ascii) return repeated(ascii[step(ascii.size())], columns);
  const std::string cell = repeated(blocks[step(blocks.size())], columns);
  return how == look::colour && weight >= 0.01 ? fmt::format("\x1b[38;5;33m{}\x1b[0m", cell) : cell;
}

std::string bar(double share, int columns, look how) {
  static constexpr std::array eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double length = std::clamp(share, 0.0, 1.0) * columns;
  if (how == look::ascii) return repeated("#", int(std::lround(length)));
  const int whole = int(length), rest = int((length - whole) * 8);
  const std::string blocks = repeated("█", whole) + eighths[rest];
  return how == look::colour ? fmt::format("\x1b[38;5;33m{}\x1b[0m", blocks) : blocks;
}

}  // namespace qkv::cli
