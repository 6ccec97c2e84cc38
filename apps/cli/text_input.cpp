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
  if (begins_as_utf16(text)) throw usage_error("standard input: expected a text in UTF-8; found one in UTF-16");
  if (text.find('\0') != std::string::npos)
    throw usage_error("standard input: expected a text in UTF-8; found a NUL byte, as in binary files and in UTF-16");
  return checked_text("standard input", text);
}

std::string text_or_standard_input(const std::string& text, const std::string& what) {
  return text.empty() || text == standard_input ? text_from_standard_input(what) : text;
}

std::vector<std::string> given_texts(const std::vector<std::string>& arguments, const std::string& file,
                                     const std::string& what) {
  const bool asked = file == standard_input || arguments == std::vector<std::string>{standard_input};
  auto texts = asked || (arguments.empty() && file.empty()) ? lines_of(text_from_standard_input(what))
               : arguments.empty()                          ? lines_of(read_text(file))
                                                            : arguments;
  if (texts.empty()) throw usage_error(fmt::format("expected {}; found none", what));
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (const auto valid = valid_utf8_length(texts[i]); valid < texts[i].size())
      throw usage_error(
          fmt::format("expected texts in UTF-8; found another byte at column {} of line {}", valid + 1, i + 1));
  return texts;
}

}  // namespace qkv::cli
