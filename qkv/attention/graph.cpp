// Two counting sorts: by key, then, keeping that order, by query; and back again for the keys' own lists.
#include "qkv/attention/graph.h"

#include <algorithm>

#include "qkv/base/error.h"

namespace qkv {
namespace {

constexpr long most_places = 1l << 30;  // as many as an axis of attention may have

std::string text(const edge& e) {
  return "an edge from query " + std::to_string(e.query) + " to key " + std::to_string(e.key);
}

void check_sizes(const char* name, long count) {
  if (count < 0 || count > most_places)
    refuse("graph", std::string(name) + " from 0 to " + std::to_string(most_places), std::to_string(count));
}

// first[x] .. first[x + 1]: where the items of x go, when sorted by x.
std::vector<long> firsts(long places, long items, auto place_of) {
  std::vector<long> first(places + 1);
  for (long n = 0; n < items; ++n) ++first[place_of(n) + 1];
  for (long x = 0; x < places; ++x) first[x + 1] += first[x];
  return first;
}

}  // namespace

graph::graph(long queries, long keys, std::span<const edge> edges) {
  check_sizes("queries", queries), check_sizes("keys", keys);
  for (const edge& e : edges)
    if (e.query < 0 || e.query >= queries || e.key < 0 || e.key >= keys)
      refuse("graph",
             "edges from queries 0 to " + std::to_string(queries - 1) + " to keys 0 to " + std::to_string(keys - 1),
             text(e));
  const long count = long(edges.size());
  lists all;
  std::vector<long> by_key(count);
  std::vector<long> next = firsts(keys, count, [&](long n) { return edges[n].key; });
  all.first_of_key = next;
  for (long n = 0; n < count; ++n) by_key[next[edges[n].key]++] = n;

  next = firsts(queries, count, [&](long n) { return edges[n].query; });
  all.first_of_query = next;
  all.key.resize(count), all.query.resize(count), all.number.resize(count);
  for (long n : by_key) all.key[next[edges[n].query]++] = std::int32_t(edges[n].key);
  for (long i = 0; i < queries; ++i) {
    const long begin = all.first_of_query[i], end = all.first_of_query[i + 1];
    all.most_keys = std::max(all.most_keys, end - begin);
    for (long n = begin + 1; n < end; ++n)
      if (all.key[n - 1] == all.key[n]) refuse("graph", "each edge once", text({i, all.key[n]}) + " twice");
  }
  next = all.first_of_key;
  for (long i = 0; i < queries; ++i)
    for (long n = all.first_of_query[i]; n < all.first_of_query[i + 1]; ++n) {
      const long at = next[all.key[n]]++;
      all.query[at] = std::int32_t(i), all.number[at] = n;
    }
  held_ = std::make_shared<const lists>(std::move(all));
}

}  // namespace qkv
