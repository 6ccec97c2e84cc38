#include "qkv/tokens/counting.h"

#include <algorithm>
#include <functional>

#include "qkv/base/error.h"
#include "qkv/io/utf8.h"

namespace qkv::tokens {
namespace {

struct hash_of_text {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

void check_text(const char* operation, std::span<const std::string> texts, std::size_t number, bool any_bytes) {
  const std::string& text = texts[number];
  constexpr std::size_t longest = std::size_t(1) << 30;
  if (text.size() > longest)
    refuse(operation, "texts of at most 1 GiB", std::to_string(text.size()) + " bytes; cut it up");
  if (any_bytes) return;
  if (const std::size_t valid = valid_utf8_length(text); valid < text.size()) {
    refuse(operation, "texts in UTF-8",
           "other bytes at byte " + std::to_string(valid) +
               (texts.size() > 1 ? " of text " + std::to_string(number) + ", counted from 0" : ""));
  }
}

}  // namespace

std::vector<counted_part> count_parts(const char* operation, std::span<const std::string> texts, const text_form& form,
                                      const std::vector<cutting>& cuttings, bool any_bytes) {
  std::unordered_map<std::string, long, hash_of_text, std::equal_to<>> counts;
  std::vector<part> parts, scratch;
  for (std::size_t number = 0; number < texts.size(); ++number) {
    check_text(operation, texts, number, any_bytes);
    const bool same = form.changes_nothing();
    const formed_text formed = same ? formed_text{} : form.apply(texts[number], /*at_the_start=*/true);
    const std::string_view text = same ? std::string_view(texts[number]) : std::string_view(formed.text);
    cut(text, cuttings, parts, scratch);
    for (const part& p : parts) {
      const std::string_view piece = text.substr(p.begin, p.end - p.begin);
      if (const auto place = counts.find(piece); place != counts.end())
        ++place->second;
      else
        counts.emplace(piece, 1);
    }
  }
  if (counts.empty()) refuse(operation, "texts with at least one word", "empty ones");
  std::vector<counted_part> sorted;
  sorted.reserve(counts.size());
  for (const auto& [text, count] : counts) sorted.push_back({text, count});
  std::ranges::sort(sorted, [](const counted_part& a, const counted_part& b) {
    return a.count != b.count ? a.count > b.count : a.text < b.text;
  });
  return sorted;
}

void check_specials(const char* operation, const std::vector<std::string>& specials) {
  for (auto name = specials.begin(); name != specials.end(); ++name) {
    if (name->empty()) refuse(operation, "special tokens with names", "an empty name");
    if (valid_utf8_length(*name) < name->size()) refuse(operation, "special tokens with names in UTF-8", "other bytes");
    if (std::find(specials.begin(), name, *name) != name)
      refuse(operation, "every special token once", *name + " twice");
  }
}

}  // namespace qkv::tokens
