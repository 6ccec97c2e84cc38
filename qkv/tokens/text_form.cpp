#include "qkv/tokens/text_form.h"

#include "qkv/tokens/unicode.h"

namespace qkv::tokens {
namespace {

/// Appends what stands for source bytes begin .. end-1.  Bytes of the same number correspond one by one.
void append(formed_text& to, std::string_view form, std::size_t begin, std::size_t end) {
  to.text += form;
  const bool one_by_one = form.size() == end - begin;
  for (std::size_t i = 0; i < form.size(); ++i) {
    to.sources.push_back(
        {std::uint32_t(one_by_one ? begin + i : begin), std::uint32_t(one_by_one ? begin + i + 1 : end)});
  }
}

}  // namespace

formed_text text_form::apply(std::string_view text, bool at_the_start) const {
  const std::string_view space = spaces_visible ? visible_space : " ";
  const bool wanted = in_front == first_space::always || (in_front == first_space::at_the_start && at_the_start);
  const bool there = text.starts_with(' ') || text.starts_with(space);
  formed_text formed;
  if (wanted && !text.empty() && !there) {
    formed.text = space;
    formed.sources.resize(space.size());
  }
  std::string form;
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    const char32_t character = next_character(text, position);
    form.clear();
    if (spaces_visible && character == U' ')
      form = visible_space;
    else if (lower_case && character != no_character)
      append_lower_case(form, character);
    else
      form = text.substr(begin, position - begin);
    append(formed, form, begin, position);
  }
  return formed;
}

}  // namespace qkv::tokens
