#include "qkv/generate/generate.h"

#include <algorithm>

namespace qkv {
namespace {

using tokens = std::vector<std::int32_t>;

tensor as_one_sequence(std::span<const std::int32_t> text) {
  return tensor({1, long(text.size())}, tokens(text.begin(), text.end()));
}

/// A text that grows, and the keys and values of its last part.
class writer {
 public:
  writer(const decoder& model, std::span<const std::int32_t> prompt)
      : model_(model), text_(prompt.begin(), prompt.end()), cache_(model.make_cache(1)) {}

  /// What comes next, [V].
  tensor next_logits() {
    if (unread() > cache_.capacity() - cache_.length()) read_again();
    const auto part = std::span(text_).last(std::size_t(unread()));
    read_ = long(text_.size());
    return model_.next_logits(as_one_sequence(part), cache_);
  }
  void add(std::int32_t token) { text_.push_back(token); }
  const tokens& text() const { return text_; }

 private:
  long unread() const { return long(text_.size()) - read_; }

  /// Starts over with the end of the text: all that fits of a prompt, half a context of a text being written.
  void read_again() {
    const long context = cache_.capacity();
    const long keep = read_ == 0 ? context : std::max(1L, context / 2);
    read_ = std::max(0L, long(text_.size()) - keep);
    cache_.shorten(0);
  }

  const decoder& model_;
  tokens text_;
  long read_ = 0;  // tokens of the text that the cache has seen, or that are forgotten
  decoder_cache cache_;
};

bool ends_with_any(const tokens& text, long written, const std::vector<tokens>& endings) {
  return std::any_of(endings.begin(), endings.end(), [&](const tokens& ending) {
    return !ending.empty() && long(ending.size()) <= written &&
           std::equal(ending.rbegin(), ending.rend(), text.rbegin());
  });
}

}  // namespace

std::vector<std::int32_t> generate(const decoder& model, std::span<const std::int32_t> prompt,
                                   const generation_options& options,
                                   const std::function<bool(std::int32_t)>& on_token) {
  check(options.sampling);
  if (prompt.empty()) refuse("generate", "a prompt of at least one token", "an empty one");
  writer text(model, prompt);
  for (long written = 0; written < options.tokens;) {
    const tensor logits = text.next_logits();
    const std::int32_t token = sample(logits.values<float>(), options.sampling, text.text().size());
    text.add(token);
    ++written;
    if (on_token && !on_token(token)) break;
    if (ends_with_any(text.text(), written, options.stop)) break;
  }
  return tokens(text.text().begin() + long(prompt.size()), text.text().end());
}

}  // namespace qkv
