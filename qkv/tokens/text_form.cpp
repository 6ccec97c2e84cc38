#include "qkv/tokens/text_form.h"

#include "qkv/tokens/unicode.h"

namespace qkv::tokens {
namespace {

/// Appends what stands for source bytes begin .. end-1.  Bytes of the same number correspond one by one.
void append(formed_text& to, std::string_view form, std::size_t begin, std::size_t end) {
  to.text += form;
  for (std::size_t i = 0; i < form.size(); ++i)
    to.origin.push_back(std::uint32_t(form.size() == end - begin ? begin + i : begin));
}

bool starts_with_space(const formed_text& formed, std::string_view space) { return formed.text.starts_with(space); }

}  // namespace

formed_text text_form::apply(std::string_view text, bool at_the_start) const {
  formed_text body;
  const std::string_view space = spaces_visible ? visible_space : " ";
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    const char32_t character = next_character(text, position);
    std::string form(text.substr(begin, position - begin));
    if (spaces_visible && character == U' ') form = visible_space;
    if (lower_case && character != no_character) {
      std::string lower;
      append_lower_case(lower, character);
      if (form != visible_space || !spaces_visible) form = lower;
    }
    append(body, form, begin, position);
  }
  const bool wanted = in_front == first_space::always || (in_front == first_space::at_the_start && at_the_start);
  if (wanted && !text.empty() && !starts_with_space(body, space)) {
    body.text.insert(0, space);
    body.origin.insert(body.origin.begin(), space.size(), 0);
  }
  body.origin.push_back(std::uint32_t(text.size()));
  return body;
}

}  // namespace qkv::tokens
