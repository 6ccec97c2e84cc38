// recall: multi-query associative recall (MQAR; Arora et al. 2023, "Zoology").  Pairs of a key and a value, then these
// keys in another order, each to be answered by its value: "кAдZжQ" "жQ" "кA" "дZ"; then other pairs, until the text is
// full.  So many pairs stand together in one text and so few in another that what is near is learned first.
#include <algorithm>
#include <span>

#include "qkv/io/utf8.h"
#include "qkv/tasks/tasks.h"

namespace qkv {
namespace {

constexpr char32_t first_key = 0x410;  // the Cyrillic letters, large and small
constexpr long keys = 64;
const std::string values = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

std::string key(long number) {
  std::string text;
  append_utf8(text, first_key + char32_t(number));
  return text;
}

/// Pairs of these keys, and then the questions.
void add_block(draws& random, std::span<const long> keys_of_block, task_example& parts) {
  const auto pairs = long(keys_of_block.size());
  std::string values_of_block, given;
  for (const long k : keys_of_block) {
    values_of_block += random.letter_of(values);
    given += key(k) + values_of_block.back();
  }
  for (const long pair : random.different(pairs, pairs)) {
    const auto p = std::size_t(pair);
    parts.push_back({given + key(keys_of_block[p]), {values_of_block[p]}});
    given.clear();
  }
}

task_example example(draws& random, long length) {
  const long pairs = length / 4, together = random.between(2, random.between(2, pairs));
  const auto order = random.different(pairs, keys);
  task_example parts;
  for (long from = 0; from < pairs; from += together)
    add_block(random, std::span(order).subspan(std::size_t(from), std::size_t(std::min(together, pairs - from))), parts);
  return parts;
}

std::string all_characters() {
  std::string all = values;
  for (long k = 0; k < keys; ++k) all += key(k);
  return all;
}

}  // namespace

task recall_task() {
  return {.name = "recall",
          .what = "read pairs of a key and a value, then name the value of every key",
          .of_length = "characters of an example, four for every pair",
          .characters = all_characters(),
          .length = 256,
          .shortest = 8,
          .longest = 4 * keys,
          .size_of = [](long length) { return length / 4 * 4; },
          .example = example};
}

}  // namespace qkv
