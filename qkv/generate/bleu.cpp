#include "qkv/generate/bleu.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <sstream>

#include "qkv/base/error.h"
#include "qkv/io/utf8.h"

namespace qkv {
namespace {

void check_pairs(const char* what, std::size_t translations, std::size_t references) {
  if (translations == references && translations > 0) return;
  refuse(what, "a reference for each of at least one translation",
         std::to_string(translations) + " translations and " + std::to_string(references) + " references");
}

/// How often a sequence of `order` items occurs at every place of `items`.
template <class Item>
std::map<std::vector<Item>, long> n_grams(const std::vector<Item>& items, std::size_t order) {
  std::map<std::vector<Item>, long> counts;
  for (std::size_t i = 0; i + order <= items.size(); ++i)
    ++counts[{items.begin() + long(i), items.begin() + long(i + order)}];
  return counts;
}

/// n-grams of a translation, of its reference, and those in both.
struct overlap {
  long translated = 0, reference = 0, both = 0;

  template <class Item>
  void add(const std::vector<Item>& translation, const std::vector<Item>& wanted, std::size_t order) {
    const auto said = n_grams(translation, order), meant = n_grams(wanted, order);
    for (const auto& [gram, count] : said) {
      translated += count;
      const auto found = meant.find(gram);
      if (found != meant.end()) both += std::min(count, found->second);
    }
    for (const auto& [gram, count] : meant) reference += count;
  }
};

std::vector<std::string> words_of(const std::string& sentence) {
  std::istringstream in(sentence);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<char32_t> characters_of(const std::string& sentence) {
  std::vector<char32_t> characters;
  for (std::size_t at = 0; at < sentence.size();) {
    const char32_t c = next_code_point(sentence, at);
    if (!std::strchr(" \t\n\r\f\v", c < 128 && c > 0 ? int(c) : 'x')) characters.push_back(c);
  }
  return characters;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// ASCII punctuation but for ' , - . which the later rules look after.
bool stands_alone(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

bool is_point(char c) { return c == '.' || c == ','; }

}  // namespace

bleu_score bleu(std::span<const std::string> translations, std::span<const std::string> references) {
  check_pairs("bleu", translations.size(), references.size());
  bleu_score score;
  overlap orders[4];
  for (std::size_t i = 0; i < translations.size(); ++i) {
    const auto said = words_of(translations[i]), meant = words_of(references[i]);
    score.translated_tokens += long(said.size());
    score.reference_tokens += long(meant.size());
    for (std::size_t n = 0; n < 4; ++n) orders[n].add(said, meant, n + 1);
  }
  double logarithms = 0, halves = 1;
  bool any = orders[0].both > 0;
  for (int n = 0; n < 4; ++n) {
    const double total = double(orders[n].translated);
    if (total == 0) return any = false, score;
    if (orders[n].both == 0) halves *= 2;
    score.precisions[n] = orders[n].both > 0 ? 100 * double(orders[n].both) / total : 100 / (halves * total);
    logarithms += std::log(score.precisions[n]);
  }
  if (score.translated_tokens < score.reference_tokens)
    score.brevity_penalty = std::exp(1 - double(score.reference_tokens) / double(score.translated_tokens));
  score.bleu = any ? score.brevity_penalty * std::exp(logarithms / 4) : 0;
  return score;
}

// The rules in the script's order: entities; punctuation apart; points and commas apart but between digits; a dash
// apart after a digit.
std::string tokenised_13a(const std::string& sentence) {
  std::string text = replaced(replaced(replaced(sentence, "<skipped>", ""), "-\n", ""), "\n", " ");
  if (text.find('&') != std::string::npos)
    text = replaced(replaced(replaced(replaced(text, "&quot;", "\""), "&amp;", "&"), "&lt;", "<"), "&gt;", ">");
  std::string apart = " ";
  for (const char c : text + " ") {
    if (stands_alone(c))
      apart += {' ', c, ' '};
    else
      apart += c;
  }
  const auto rule = [](const std::string& in, auto splits) {
    // Rewrites pairs of characters from left to right; a pair that matches is used up.
    std::string out;
    for (std::size_t i = 0; i < in.size();) {
      if (i + 1 < in.size() && splits(in[i], in[i + 1], out))
        i += 2;
      else
        out += in[i++];
    }
    return out;
  };
  apart = rule(apart, [](char a, char b, std::string& out) {
    return !is_digit(a) && is_point(b) ? (out += {a, ' ', b, ' '}, true) : false;
  });
  apart = rule(apart, [](char a, char b, std::string& out) {
    return is_point(a) && !is_digit(b) ? (out += {' ', a, ' ', b}, true) : false;
  });
  apart = rule(apart, [](char a, char b, std::string& out) {
    return is_digit(a) && b == '-' ? (out += {a, ' ', b, ' '}, true) : false;
  });
  std::string joined;
  for (const std::string& word : words_of(apart)) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

double chrf(std::span<const std::string> translations, std::span<const std::string> references) {
  check_pairs("chrf", translations.size(), references.size());
  overlap orders[6];
  for (std::size_t i = 0; i < translations.size(); ++i) {
    const auto said = characters_of(translations[i]), meant = characters_of(references[i]);
    for (std::size_t n = 0; n < 6; ++n) orders[n].add(said, meant, n + 1);
  }
  double precision = 0, recall = 0;
  int counted = 0;
  for (const overlap& order : orders) {
    if (order.translated == 0 || order.reference == 0) continue;
    precision += double(order.both) / double(order.translated);
    recall += double(order.both) / double(order.reference);
    ++counted;
  }
  if (precision + recall == 0) return 0;
  constexpr double beta_squared = 4;
  return 100 * (1 + beta_squared) * precision * recall / (beta_squared * precision + recall) / double(counted);
}

}  // namespace qkv
