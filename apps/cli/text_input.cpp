#include "apps/cli/text_input.h"

#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "apps/cli/command.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"
#include "qkv/tokens/training.h"

namespace qkv::cli {

std::string text_from_standard_input(const std::string& what) {
  if (is_terminal(stdin))
    throw usage_error(fmt::format("expected {}, as arguments or on standard input; found none", what));
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.ends_with('\n')) text.pop_back();
  if (text.empty()) throw usage_error(fmt::format("expected {}, as arguments or on standard input; found none", what));
  return checked_text("standard input", text);
}

std::vector<std::string> given_texts(const std::vector<std::string>& arguments, const std::string& file,
                                     const std::string& what) {
  auto texts =
      !arguments.empty() ? arguments : lines_of(file.empty() ? text_from_standard_input(what) : read_text(file));
  if (texts.empty()) throw usage_error(fmt::format("expected {}; found none", what));
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (const auto valid = valid_utf8_length(texts[i]); valid < texts[i].size())
      throw usage_error(
          fmt::format("expected texts in UTF-8; found another byte at column {} of line {}", valid + 1, i + 1));
  return texts;
}

}  // namespace qkv::cli
