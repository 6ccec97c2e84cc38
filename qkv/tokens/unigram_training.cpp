// A unigram vocabulary: it starts from many frequent substrings; their probabilities are learned by expectation and
// maximisation; those whose loss costs the least likelihood are left out; until few enough are left.
// Source: Kudo 2018, section 3.2; the numbers as in SentencePiece.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "qkv/base/error.h"
#include "qkv/base/threads.h"
#include "qkv/io/utf8.h"
#include "qkv/tokens/counting.h"
#include "qkv/tokens/frequent_substrings.h"
#include "qkv/tokens/tokenizer_parts.h"
#include "qkv/tokens/training.h"
#include "qkv/tokens/unicode.h"
#include "qkv/tokens/unigram_lattice.h"

namespace qkv {

using namespace tokens;

namespace {

constexpr const char* operation = "train_unigram";
constexpr int longest_piece = 16;  // characters
constexpr std::size_t most_seeds = 200'000;
constexpr int rounds_between_cuts = 2;
constexpr double kept_by_a_cut = 0.75;
constexpr double kept_for_the_end = 1.1;  // of the vocabulary, for the last choice
constexpr double least_expected = 0.5;    // uses of a piece
constexpr std::size_t shares = 8;         // of the words; fixed, so that threads do not change sums

/// The derivative of log gamma: recurrence up to 7, then the asymptotic series.
double digamma(double x) {
  double result = 0;
  for (; x < 7; ++x) result -= 1 / x;
  x -= 0.5;
  const double square = 1 / (x * x), fourth = square * square;
  return result + std::log(x) + square / 24 - 7 * fourth / 960 + 31 * square * fourth / 8064 -
         127 * fourth * fourth / 30720;
}

/// Few enough digits that every program reads the same number from a file: not all round the last bit correctly, and
/// the last bit decides between ways of equal probability.
double with_ten_decimals(double x) { return std::round(x * 1e10) / 1e10; }

using counted_words = std::vector<counted_part>;

/// The characters, the commonest first.
std::vector<std::pair<std::string, long>> count_characters(const counted_words& words) {
  std::map<std::string, long> counts;
  for (const counted_part& word : words) {
    for (std::size_t position = 0; position < word.text.size();) {
      const std::size_t begin = position;
      next_code_point(word.text, position);
      counts[word.text.substr(begin, position - begin)] += word.count;
    }
  }
  std::vector<std::pair<std::string, long>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::greater<>(), &std::pair<std::string, long>::second);
  return sorted;
}

class unigram_trainer {
 public:
  unigram_trainer(const counted_words& words, std::size_t size) : words_(words), size_(size) {
    std::vector<std::pair<std::string, double>> seeds;
    for (const auto& [character, count] : count_characters(words)) seeds.emplace_back(character, double(count));
    characters_ = seeds.size();
    for (const frequent_substring& s : frequent_substrings(words, longest_piece, most_seeds))
      seeds.emplace_back(s.text, double(s.count * s.letters));
    double sum = 0;
    for (const auto& [text, weight] : seeds) sum += weight;
    for (const auto& [text, weight] : seeds) pieces_.push_back({text, std::log(weight / sum)});
  }

  std::size_t characters() const { return characters_; }

  /// The pieces, the most probable first.
  std::vector<scored_piece> run() {
    const auto wanted = std::size_t(double(size_) * kept_for_the_end);
    while (true) {
      for (int round = 0; round < rounds_between_cuts; ++round) learn_scores();
      if (pieces_.size() <= wanted) break;
      const std::size_t before = pieces_.size();
      cut_down(std::max(wanted, std::size_t(double(before) * kept_by_a_cut)));
      if (pieces_.size() == before) break;
    }
    return best_pieces();
  }

 private:
  bool is_character(std::size_t piece) const { return piece < characters_; }

  /// Calls work(lattice, share, word) for every word, on all threads.
  template <class Work>
  void for_each_word(Work work) {
    parallel_for(long(shares), [&](long share, int) {
      unigram_lattice lattice(pieces_);
      for (std::size_t word = std::size_t(share); word < words_.size(); word += shares)
        work(lattice, std::size_t(share), words_[word]);
    });
  }

  static std::vector<double> summed(const std::vector<std::vector<double>>& parts) {
    std::vector<double> sum = parts.front();
    for (std::size_t share = 1; share < parts.size(); ++share)
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += parts[share][i];
    return sum;
  }

  std::vector<std::vector<double>> zeros() const { return {shares, std::vector<double>(pieces_.size())}; }

  /// One round of expectation and maximisation.  Digamma in place of the logarithm prefers fewer pieces.
  void learn_scores() {
    std::vector<std::vector<double>> parts = zeros();
    for_each_word([&](unigram_lattice& lattice, std::size_t share, const counted_part& word) {
      lattice.add_expected(word.text, double(word.count), parts[share]);
    });
    std::vector<double> expected = summed(parts);
    double sum = 0;
    std::vector<scored_piece> kept;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      if (is_character(i)) expected[i] = std::max(expected[i], least_expected);
      if (expected[i] < least_expected) continue;
      sum += expected[i];
      kept.push_back({std::move(pieces_[i].text), digamma(expected[i])});
    }
    for (scored_piece& piece : kept) piece.score -= digamma(sum);
    pieces_ = std::move(kept);
  }

  /// How often each piece is in the best way to write the words, and the words that it is in.
  struct usage {
    std::vector<double> uses, words;
  };
  usage count_usage() {
    std::vector<std::vector<double>> uses = zeros(), words = zeros();
    for_each_word([&](unigram_lattice& lattice, std::size_t share, const counted_part& word) {
      std::vector<std::int32_t> way = lattice.best(word.text);
      for (const std::int32_t piece : way) uses[share][std::size_t(piece)] += double(word.count);
      std::ranges::sort(way);
      way.erase(std::unique(way.begin(), way.end()), way.end());
      for (const std::int32_t piece : way) words[share][std::size_t(piece)] += double(word.count);
    });
    return {summed(uses), summed(words)};
  }

  /// Keeps `count` pieces: those without which the words would be least probable, and all characters.
  void cut_down(std::size_t count) {
    const usage used = count_usage();
    double sum = 0;
    for (const double uses : used.uses) sum += uses;
    std::vector<std::pair<double, std::size_t>> losses;  // negative, so that the greatest come first
    unigram_lattice lattice(pieces_);
    for (std::size_t i = characters_; i < pieces_.size(); ++i)
      if (used.uses[i] > 0) losses.emplace_back(-loss_without(i, used, sum, lattice), i);
    std::ranges::sort(losses);
    std::vector<std::size_t> kept(characters_);
    for (std::size_t i = 0; i < characters_; ++i) kept[i] = i;
    for (const auto& [loss, piece] : losses) {
      if (kept.size() >= count) break;
      kept.push_back(piece);
    }
    std::ranges::sort(kept);
    std::vector<scored_piece> left;
    for (const std::size_t piece : kept) left.push_back(std::move(pieces_[piece]));
    pieces_ = std::move(left);
  }

  /// How much likelihood is lost when the best way to write the piece in other pieces stands in for it.
  double loss_without(std::size_t piece, const usage& used, double sum, unigram_lattice& lattice) const {
    const std::vector<std::int32_t>& others = lattice.best(pieces_[piece].text, std::int32_t(piece));
    const double uses = used.uses[piece];
    const double now = std::log(uses) - std::log(sum);
    const double sum_without = std::log(sum + uses * double(others.size() - 1));
    double without = 0;
    for (const std::int32_t other : others) without += std::log(used.uses[std::size_t(other)] + uses) - sum_without;
    return used.words[piece] * (now - without);
  }

  std::vector<scored_piece> best_pieces() {
    const auto more_probable = [](const scored_piece& a, const scored_piece& b) {
      return a.score != b.score ? a.score > b.score : a.text < b.text;
    };
    std::sort(pieces_.begin() + std::ptrdiff_t(characters_), pieces_.end(), more_probable);
    if (pieces_.size() > size_) pieces_.resize(size_);
    std::ranges::sort(pieces_, more_probable);
    return std::move(pieces_);
  }

  const counted_words& words_;
  std::size_t size_;
  std::size_t characters_ = 0;  // the first pieces are the single characters, which always stay
  std::vector<scored_piece> pieces_;
};

/// The words, cut where characters are so rare that they are left to <unk> or to bytes.
counted_words without_rare_characters(const counted_words& words, double coverage) {
  const auto characters = count_characters(words);
  double all = 0, covered = 0;
  for (const auto& [character, count] : characters) all += double(count);
  std::map<std::string, long> kept;
  for (const auto& [character, count] : characters) {
    if (coverage < 1 && covered >= coverage * all) break;
    covered += double(count);
    kept.emplace(character, count);
  }
  if (kept.size() == characters.size()) return words;
  std::map<std::string, long> counts;
  for (const counted_part& word : words) {
    std::string run;
    for (std::size_t position = 0; position < word.text.size();) {
      const std::size_t begin = position;
      next_code_point(word.text, position);
      const std::string character = word.text.substr(begin, position - begin);
      if (kept.contains(character)) run += character;
      if ((!kept.contains(character) || position == word.text.size()) && !run.empty())
        counts[std::exchange(run, {})] += word.count;
    }
  }
  counted_words cut;
  for (const auto& [text, count] : counts) cut.push_back({text, count});
  return cut;
}

}  // namespace

tokenizer train_unigram(training_texts texts, const unigram_options& options) {
  check_specials(operation, options.specials);
  const auto unknown = std::ranges::find(options.specials, special_token::unknown);
  if (unknown == options.specials.end())
    refuse(operation, std::string(special_token::unknown) + " among the special tokens", "none of that name");
  if (!(options.character_coverage > 0 && options.character_coverage <= 1))
    refuse(operation, "a character_coverage above 0 and up to 1", std::to_string(options.character_coverage));
  const text_form form{.lower_case = options.lower_case, .spaces_visible = true, .in_front = first_space::always};
  const std::vector rules{cutting::visible_spaces};
  const counted_words words = without_rare_characters(count_parts(operation, texts, form, rules, /*any_bytes=*/false),
                                                      options.character_coverage);
  std::vector<std::string> names = options.specials;
  for (int byte = 0; options.byte_fallback && byte < 256; ++byte)
    names.push_back(name_of_byte(static_cast<unsigned char>(byte)));
  const auto room = std::size_t(std::max(0L, options.vocabulary - long(names.size())));
  unigram_trainer trainer(words, room);
  if (room < trainer.characters()) {
    refuse(operation,
           "a vocabulary of at least " + std::to_string(names.size() + trainer.characters()) + " tokens, " +
               std::to_string(trainer.characters()) + " of them characters",
           std::to_string(options.vocabulary) + "; a smaller character_coverage leaves out rare characters");
  }
  std::vector<double> scores(names.size(), 0.0);
  for (scored_piece& piece : trainer.run()) {
    if (std::ranges::find(names, piece.text) != names.end()) continue;  // a text with "<0x0A>" in it
    names.push_back(std::move(piece.text));
    scores.push_back(with_ten_decimals(piece.score));
  }
  const std::vector<added_token> added = first_tokens_special(options.specials);
  unigram_settings settings{.unknown = std::int32_t(unknown - options.specials.begin()),
                            .byte_fallback = options.byte_fallback};
  for (const added_token& token : added) settings.specials.push_back(token.id);
  return tokenizer({.form = form,
                    .cuttings = rules,
                    .model = unigram_model(vocabulary(std::move(names)), std::move(scores), settings),
                    .join = joining::visible_spaces,
                    .added = added});
}

}  // namespace qkv
