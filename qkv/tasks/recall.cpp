// recall: multi-query associative recall (MQAR; Arora et al. 2023, "Zoology").  First pairs of a key and a value, then
// the keys in another order, each to be answered by its value: "кAдZжQ" ... "ж" -> "Q", "к" -> "A", ...; then in yet
// another order, until the text is full.  At most a quarter of the text's length are pairs; few more often than many,
// because that is learned first.
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

task_example example(draws& random, long length) {
  const long pairs = random.between(2, random.between(2, length / 4));
  const auto keys_of_pairs = random.different(pairs, keys);
  std::string values_of_pairs, given;
  for (const long k : keys_of_pairs) {
    values_of_pairs += random.letter_of(values);
    given += key(k) + values_of_pairs.back();
  }
  task_example parts;
  std::vector<long> order;
  for (long asked = 0; asked < length / 2 - pairs; ++asked) {
    if (asked % pairs == 0) order = random.different(pairs, pairs);
    const auto p = std::size_t(order[std::size_t(asked % pairs)]);
    parts.push_back({given + key(keys_of_pairs[p]), {values_of_pairs[p]}});
    given.clear();
  }
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
          .what = "read pairs of a key and a value; then name the value of every key",
          .of_length = "characters of an example, of at most a quarter as many pairs",
          .characters = all_characters(),
          .length = 256,
          .shortest = 8,
          .longest = 4 * keys,
          .size_of = [](long length) { return length / 2 * 2; },
          .example = example};
}

}  // namespace qkv
