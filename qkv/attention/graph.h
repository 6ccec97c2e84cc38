// graph: the links between queries and keys, given one by one.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace qkv {

/// The link from a query to a key: the query looks, the key is looked at.
struct edge {
  long query, key;
};

/// The links of one sequence, or of one graph whose nodes are both queries and keys, sorted once for many calls.
/// Copying one copies a handle.
///
///     graph friends(people, people, {{0, 1}, {1, 0}, {2, 0}});
class graph {
 public:
  /// Links among T queries and S keys, in any order, each at most once.
  /// Throws shape_error for sizes below 0 or beyond 2^30, a place outside them, or an edge given twice.
  /// Cost: O(edges + T + S), by counting; memory 16 bytes an edge and 8 a place.
  graph(long queries, long keys, std::span<const edge> edges);
  graph(long queries, long keys, std::initializer_list<edge> edges)
      : graph(queries, keys, std::span<const edge>(edges.begin(), edges.size())) {}

  long queries() const { return long(held_->first_of_query.size()) - 1; }
  long keys() const { return long(held_->first_of_key.size()) - 1; }
  long edges() const { return long(held_->key.size()); }
  long most_keys() const { return held_->most_keys; }  ///< of one query

  /// Edges are numbered by query, and by key among those of a query: query i's are first_of_query[i] up to
  /// first_of_query[i + 1], key[n] is where edge n ends.  The other way round, key j's edges are
  /// number[first_of_key[j]] up to number[first_of_key[j + 1]], and query[] says where they begin.
  struct lists {
    std::vector<long> first_of_query;  ///< [T + 1]
    std::vector<std::int32_t> key;     ///< [edges]
    std::vector<long> first_of_key;    ///< [S + 1]
    std::vector<std::int32_t> query;   ///< [edges], by key
    std::vector<long> number;          ///< [edges], by key
    long most_keys = 0;
  };
  const lists& sorted() const { return *held_; }

 private:
  std::shared_ptr<const lists> held_;
};

}  // namespace qkv
