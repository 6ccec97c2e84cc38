#include "apps/cli/whole_words.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "apps/cli/spoken_text.h"
#include "qkv/io/utf8.h"
#include "qkv/ops/softmax.h"

namespace qkv::cli {
namespace {

constexpr long longest = 24;  // tokens of a word

/// A beginning of a word.
struct word_beginning {
  std::vector<std::int32_t> tokens;
  std::string text;
  double probability = 1;
};

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_mark(char c) { return std::ispunct(static_cast<unsigned char>(c)) && c != '\'' && c != '-' && c != '_'; }
bool is_blank(const std::string& text) { return std::ranges::all_of(text, is_space); }
/// Whether a word that stands before this piece ends there.
bool ends_a_word(const std::string& piece) { return !piece.empty() && (is_space(piece[0]) || is_mark(piece[0])); }

/// What may come next to every beginning: [R, V], rows that sum to one.
tensor next_probabilities(const decoder& model, const std::vector<std::int32_t>& prompt,
                          const std::vector<word_beginning>& all) {
  const long rows = long(all.size());
  const std::size_t length = prompt.size() + all[0].tokens.size();
  const std::size_t seen = std::min(length, std::size_t(model.config().context));
  std::vector<std::int32_t> tokens;
  for (const word_beginning& one : all) {
    std::vector<std::int32_t> whole = prompt;
    whole.insert(whole.end(), one.tokens.begin(), one.tokens.end());
    tokens.insert(tokens.end(), whole.end() - long(seen), whole.end());
  }
  decoder_cache cache = model.make_cache(rows);
  return softmax_rows(model.next_logits(tensor({rows, long(seen)}, std::move(tokens)), cache));
}

/// The search: beginnings that live, and words that ended with their probabilities.
class word_search {
 public:
  word_search(const language_model& m, const std::vector<std::int32_t>& prompt, long beam)
      : m_(m), prompt_(prompt), beam_(std::size_t(beam)), live_(1) {}

  /// One token more; false when nothing is left that could still be among the best.
  bool advance() {
    const tensor probabilities = next_probabilities(m_.model, prompt_, live_);
    std::vector<word_beginning> grown;
    for (std::size_t row = 0; row < live_.size(); ++row)
      grow(live_[row], probabilities.select(0, long(row)).values<float>(), grown);
    std::ranges::stable_sort(grown, std::greater{}, &word_beginning::probability);
    grown.resize(std::min(grown.size(), beam_));
    live_ = std::move(grown);
    std::erase_if(live_, [&](const word_beginning& one) { return one.probability < least_of_the_best(); });
    return !live_.empty();
  }

  std::vector<word_continuation> words() const {
    std::vector<word_continuation> all;
    for (const auto& [text, probability] : ended_)
      if (valid_utf8_length(text) == text.size()) all.push_back({text, probability});
    std::ranges::stable_sort(all, std::greater{}, &word_continuation::probability);
    return all;
  }

 private:
  /// Adds what `one` may become, or ends it with the probability of everything that would end it.
  void grow(const word_beginning& one, std::span<const float> next, std::vector<word_beginning>& grown) {
    const double worth = least_of_the_best();
    for (std::size_t token = 0; token < next.size(); ++token) {
      const double probability = one.probability * double(next[token]);
      if (probability <= worth * 1e-3 || m_.tokens.all.is_special(std::int32_t(token))) continue;
      const std::int32_t id = std::int32_t(token), before = one.tokens.empty() ? prompt_.back() : one.tokens.back();
      const std::string piece = bytes_of(m_.tokens.all, before, id);
      const bool blank = is_blank(one.text);
      if (!blank && ends_a_word(piece)) {
        ended_[one.text] += probability;
      } else if (blank && !piece.empty() && is_mark(piece[0])) {
        ended_[one.text + piece] += probability;
      } else if (probability > worth && !(blank && one.text.size() > 1)) {
        grown.push_back({one.tokens, one.text + piece, probability});
        grown.back().tokens.push_back(id);
      }
    }
  }

  /// The probability of the word that stands last in the beam's width; 0 while there are fewer.
  double least_of_the_best() const {
    if (ended_.size() < beam_) return 0;
    std::vector<double> all;
    for (const auto& [text, probability] : ended_) all.push_back(probability);
    std::ranges::nth_element(all, all.begin() + long(beam_) - 1, std::greater{});
    return all[beam_ - 1];
  }

  const language_model& m_;
  const std::vector<std::int32_t>& prompt_;
  std::size_t beam_;
  std::vector<word_beginning> live_;
  std::map<std::string, double> ended_;
};

}  // namespace

std::vector<word_continuation> word_continuations(const language_model& m, const std::vector<std::int32_t>& prompt,
                                                  long beam) {
  word_search search(m, prompt, beam);
  for (long i = 0; i < longest && search.advance();) ++i;
  return search.words();
}

}  // namespace qkv::cli
