#include "apps/cli/alignment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/cli/spoken_text.h"
#include "qkv/io/utf8.h"

namespace qkv::cli {
namespace {

/// Words with the tokens that make them up.
struct words_of_tokens {
  std::vector<std::string> words;
  std::vector<long> of_token;  // which word each token belongs to

  void begin(const std::string& text) { words.push_back(text); }
};

bool begins_a_word(const std::string& piece) { return piece.starts_with(' '); }
bool is_mark(const std::string& piece) {
  const std::string bare = begins_a_word(piece) ? piece.substr(1) : piece;
  return bare.size() == 1 && std::ispunct(static_cast<unsigned char>(bare[0]));
}

/// Whether every token is a character.
bool has_characters_only(const tokenizer& t) {
  for (std::int32_t id = 0; id < t.vocabulary_size(); ++id) {
    std::size_t end = 0;
    if (t.is_special(id)) continue;
    next_code_point(t.token(id), end);
    if (end < t.token(id).size()) return false;
  }
  return true;
}

/// A new word begins at a space and at a punctuation mark; where tokens are characters, each stands for itself.
words_of_tokens words_of(const tokenizer& t, const std::vector<std::int32_t>& tokens) {
  words_of_tokens all;
  const bool characters = has_characters_only(t);
  bool after_mark = true;
  for (const std::int32_t& token : tokens) {
    const std::string piece = t.decode(std::span(&token, 1));
    const bool mark = is_mark(piece) || characters;
    if (all.words.empty() || begins_a_word(piece) || mark || after_mark) all.begin("");
    all.words.back() += begins_a_word(piece) && !characters ? piece.substr(1) : piece;
    all.of_token.push_back(long(all.words.size()) - 1);
    after_mark = mark;
  }
  for (std::string& word : all.words)
    if (valid_utf8_length(word) < word.size()) word = "?";
  all.begin("(end)");
  all.of_token.push_back(long(all.words.size()) - 1);
  return all;
}

/// [H, T, S] of tokens to [H, words, words].
tensor by_words(const tensor& weights, const words_of_tokens& target, const words_of_tokens& source) {
  const tensor sums({weights.dim(0), long(target.words.size()), long(source.words.size())});
  std::vector<double> parts(target.words.size());
  for (const long word : target.of_token) ++parts[std::size_t(word)];
  for (long h = 0; h < weights.dim(0); ++h)
    for (long t = 0; t < weights.dim(1); ++t)
      for (long s = 0; s < weights.dim(2); ++s) {
        const long row = target.of_token[std::size_t(t)];
        sums.at<float>(h, row, source.of_token[std::size_t(s)]) +=
            float(double(weights.at<float>(h, t, s)) / parts[std::size_t(row)]);
      }
  return sums;
}

/// Mean weights of a layer's heads.
double mean_weight(const attention_map& map, long layer, long query, long key) {
  double sum = 0;
  for (long h = 0; h < map.heads(); ++h) sum += double(map.weight(layer, h, query, key));
  return sum / double(map.heads());
}

long strongest_key(const attention_map& map, long layer, long query) {
  long best = 0;
  for (long key = 1; key < long(map.keys.size()); ++key)
    if (mean_weight(map, layer, query, key) > mean_weight(map, layer, query, best)) best = key;
  return best;
}

/// The layer whose strongest links are strongest.
long sharpest_layer(const attention_map& map) {
  std::vector<double> sharpness;
  for (long layer = 0; layer < map.layers(); ++layer) {
    double sum = 0;
    for (long query = 0; query < long(map.queries.size()); ++query)
      sum += mean_weight(map, layer, query, strongest_key(map, layer, query));
    sharpness.push_back(sum);
  }
  return std::ranges::max_element(sharpness) - sharpness.begin();
}

}  // namespace

attention_map cross_attention_map(const translator& t, const std::string& text,
                                  const std::vector<std::int32_t>& translation) {
  // A translation that was cut off fills the context: the token that begins it has no room then, and the last none.
  const auto room = std::min(translation.size(), std::size_t(t.model->context() - 1));
  const std::vector<std::vector<std::int32_t>> source{t.source.encode(text)},
      target{{translation.begin(), translation.begin() + std::ptrdiff_t(room)}};
  const auto source_words = words_of(t.source, source[0]), target_words = words_of(t.target, target[0]);
  const auto layers = t.model->alignments(framed(source, target, t.frame()));
  if (layers.empty())
    throw std::runtime_error("expected a translator that looks at the text; found a recurrent one without attention");
  attention_map map{target_words.words,
                    source_words.words,
                    {},
                    /*two_texts=*/true,
                    text + " \xE2\x86\x92 " + spoken(t.target, translation)};
  map.weights = tensor({long(layers.size()), layers[0].dim(0), long(map.queries.size()), long(map.keys.size())});
  for (std::size_t layer = 0; layer < layers.size(); ++layer)
    map.weights.select(0, long(layer)).copy_from(by_words(layers[layer], target_words, source_words));
  check(map);
  return map;
}

std::vector<aligned_word> aligned_words(const attention_map& map) {
  const long layer = sharpest_layer(map);
  std::vector<aligned_word> words;
  for (long query = 0; query + 1 < long(map.queries.size()); ++query) {
    const long key = strongest_key(map, layer, query);
    words.push_back({map.queries[std::size_t(query)], map.keys[std::size_t(key)], mean_weight(map, layer, query, key)});
  }
  return words;
}

std::string alignment_table(const std::vector<aligned_word>& words, look how) {
  int width = 0;
  for (const aligned_word& word : words) width = std::max(width, columns_of(visible(word.target, how)));
  std::string out;
  for (const aligned_word& word : words)
    out += fmt::format("  {}  {} {} {:4.2f} {}\n", left_aligned(visible(word.target, how), width),
                       how == look::ascii ? "<-" : "←", left_aligned(visible(word.source, how), 16), word.weight,
                       bar(word.weight, 20, how));
  return out;
}

nlohmann::ordered_json alignment_json(const std::vector<aligned_word>& words) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const aligned_word& word : words)
    all.push_back({{"target", word.target}, {"source", word.source}, {"weight", word.weight}});
  return all;
}

}  // namespace qkv::cli
