// Byte-pair encoding learned from counts of words.  Every pair's count and the words it is in are kept up to date, so
// that a merge costs only the words that it changes.
// Source: Sennrich et al. 2016, section 3.2; ties as Hugging Face tokenizers breaks them.
#include <algorithm>
#include <functional>
#include <unordered_map>

#include "qkv/base/error.h"
#include "qkv/tokens/byte_characters.h"
#include "qkv/tokens/counting.h"
#include "qkv/tokens/tokenizer_parts.h"
#include "qkv/tokens/training.h"

namespace qkv {

using namespace tokens;

namespace {

constexpr const char* operation = "train_byte_level_bpe";

struct training_word {
  std::vector<std::int32_t> tokens;
  long count;
};

/// A pair, how often it was there when this was written, and the words it may be in.
struct candidate {
  long count;
  token_pair pair;
  std::vector<std::uint32_t> words;

  /// Whether `other` is merged first: it is commoner or, as common, of smaller tokens.
  bool operator<(const candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class bpe_trainer {
 public:
  bpe_trainer(std::vector<std::string> names, const std::vector<counted_part>& parts, const bpe_options& options)
      : options_(options), first_byte_(names.size() - 256), names_(std::move(names)) {
    for (std::size_t i = 0; i < names_.size(); ++i) ids_.emplace(names_[i], std::int32_t(i));
    for (const counted_part& p : parts) add_word(p);
    offer_new_pairs();
  }

  std::vector<merge> run() {
    std::vector<merge> merges;
    while (long(names_.size()) < options_.vocabulary && !queue_.empty()) {
      candidate best = take_best();
      if (const long now = counts_[best.pair]; best.count != now) {
        best.count = now;
        put(std::move(best));
        continue;
      }
      if (best.count < std::max(1L, options_.least_count)) break;
      const std::optional<std::int32_t> result = token_for(best.pair);
      if (!result) continue;
      merges.push_back({left_of(best.pair), right_of(best.pair), *result});
      for (const std::uint32_t word : best.words) merge_in(word, merges.back());
      offer_new_pairs();
    }
    return merges;
  }

  std::vector<std::string> take_names() { return std::move(names_); }

 private:
  void add_word(const counted_part& part) {
    training_word word{{}, part.count};
    for (const char byte : part.text) word.tokens.push_back(ids_.at(characters_of_bytes({&byte, 1})));
    words_.push_back(std::move(word));
    const auto number = std::uint32_t(words_.size() - 1);
    const std::vector<std::int32_t>& tokens = words_.back().tokens;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) count(tokens[i], tokens[i + 1], +1, number);
  }

  void count(std::int32_t left, std::int32_t right, long change, std::uint32_t word) {
    const token_pair pair = pair_of(left, right);
    counts_[pair] += change * words_[word].count;
    if (change < 0) return;
    std::vector<std::uint32_t>& where = new_places_[pair];
    if (where.empty() || where.back() != word) where.push_back(word);
  }

  void offer_new_pairs() {
    for (auto& [pair, words] : new_places_)
      if (const long now = counts_[pair]; now > 0) put({now, pair, std::move(words)});
    new_places_.clear();
  }

  void put(candidate c) {
    queue_.push_back(std::move(c));
    std::push_heap(queue_.begin(), queue_.end());
  }

  candidate take_best() {
    std::pop_heap(queue_.begin(), queue_.end());
    candidate best = std::move(queue_.back());
    queue_.pop_back();
    return best;
  }

  /// The token that the pair becomes: a new one, or one of the same bytes that other merges led to.  None for a
  /// special token, which no text must become.
  std::optional<std::int32_t> token_for(token_pair pair) {
    std::string name = names_[std::size_t(left_of(pair))] + names_[std::size_t(right_of(pair))];
    const auto [place, is_new] = ids_.emplace(name, std::int32_t(names_.size()));
    if (is_new) names_.push_back(std::move(name));
    return place->second < std::int32_t(first_byte_) ? std::nullopt : std::optional(place->second);
  }

  void merge_in(std::uint32_t number, const merge& m) {
    std::vector<std::int32_t>& tokens = words_[number].tokens;
    std::size_t kept = 0;  // tokens[0 .. kept-1] are done
    for (std::size_t i = 0; i < tokens.size(); ++kept) {
      if (tokens[i] != m.left || i + 1 == tokens.size() || tokens[i + 1] != m.right) {
        tokens[kept] = tokens[i++];
        continue;
      }
      if (kept > 0) {
        count(tokens[kept - 1], m.left, -1, number);
        count(tokens[kept - 1], m.result, +1, number);
      }
      if (i + 2 < tokens.size()) {
        count(m.right, tokens[i + 2], -1, number);
        count(m.result, tokens[i + 2], +1, number);
      }
      tokens[kept] = m.result;
      i += 2;
    }
    tokens.resize(kept);
  }

  const bpe_options& options_;
  std::size_t first_byte_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<training_word> words_;
  std::unordered_map<token_pair, long> counts_;
  std::unordered_map<token_pair, std::vector<std::uint32_t>> new_places_;
  std::vector<candidate> queue_;  // a heap
};

}  // namespace

tokenizer train_byte_level_bpe(training_texts texts, const bpe_options& options) {
  check_specials(operation, options.specials);
  const long least = 256 + long(options.specials.size());
  if (options.vocabulary < least) {
    refuse(operation,
           "a vocabulary of at least " + std::to_string(least) + " tokens, 256 bytes and " +
               std::to_string(options.specials.size()) + " special tokens",
           std::to_string(options.vocabulary));
  }
  const text_form form{.lower_case = options.lower_case};
  const std::vector rules{cutting::gpt2_words};
  std::vector<std::string> names = options.specials;
  for (const char byte : bytes_in_order()) names.push_back(characters_of_bytes({&byte, 1}));
  bpe_trainer trainer(std::move(names), count_parts(operation, texts, form, rules, !options.lower_case), options);
  std::vector<merge> merges = trainer.run();
  return tokenizer({.form = form,
                    .cuttings = rules,
                    .model = bpe_model(vocabulary(trainer.take_names()), std::move(merges), bpe_settings{}),
                    .join = joining::as_they_are,
                    .added = first_tokens_special(options.specials)});
}

}  // namespace qkv
