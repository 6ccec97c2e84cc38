// What the oracle's forward (oracle.cpp) and backward (oracle_backward.cpp) share: one head of one sequence, and the
// links of one of its queries.
#pragma once
#include <memory>
#include <vector>

#include "qkv/attention/problem.h"

namespace qkv::oracle {

/// One query's live links, and what each of them weighs.
struct links_of_query {
  std::vector<long> key;              ///< in ascending order
  std::vector<double> score;          ///< of each link
  std::vector<double> weight, slope;  ///< activation(score - threshold) and its derivative there
  std::vector<double> direction;      ///< how the rest of the row gives way to the link: 1, or its sign (by_division)
  std::vector<double> through;        ///< what dropout multiplies the weight by, on its way to the values
  double threshold = -std::numeric_limits<double>::infinity();
  double blended(std::size_t n) const { return through[n] == 0 ? 0 : weight[n] * through[n]; }
  double sink_slope = 0;  ///< of the sink, which has a score and a weight but no value
};

/// A query or a key as the similarity wants it: as given, divided by its length, or multiplied by a matrix.
struct prepared {
  std::vector<double> values;
  double length = 1;
  std::vector<double> given{};  ///< before the matrix
};

/// One query head of one sequence, and the key head it reads.
class head {
 public:
  head(const formula&, const problem_of<double>&, const sequence&, long number);

  /// The links of query i.  `threshold` replaces the row's own.
  links_of_query links(long i, const double* threshold = nullptr) const;

  /// From ds, one a key, to the gradients of query i, of the keys, and of what scores and similarity have learned.
  void backward(long i, std::vector<double> ds, view<double, 4> dq, view<double, 4> dk,
                std::span<double* const> learned) const;

  // What stands where in the batch: query i, key j.
  long number, key_head;
  sequence where;
  double& at_query(view<double, 4> x, long i, long c) const { return x(where.row, where.q0 + i, number, c); }
  double& at_query(view<double, 3> x, long i) const { return x(where.row, where.q0 + i, number); }
  double at_query(view<const double, 4> x, long i, long c) const { return x(where.row, where.q0 + i, number, c); }
  double& at_key(view<double, 4> x, long j, long c) const { return x(where.row, where.k0 + j, key_head, c); }
  double at_key(view<const double, 4> x, long j, long c) const { return x(where.row, where.k0 + j, key_head, c); }

 private:
  tile row_tile(long i) const;
  std::unique_ptr<bool[]> mask(long i) const;
  void drop(long i, links_of_query&) const;
  void project(prepared& q) const;
  void project_backward(const prepared& q, std::vector<double>& dq, std::span<double* const> learned) const;
  std::vector<double> similarities(long i, const bool* kept) const;

  const formula& f_;
  double scale_;
  double matrix(long d, long c) const;  ///< of the similarity, for this head
  std::vector<prepared> q_, k_;
};

/// work(head) for every head of every sequence.
template <class Work>
void each_head(const formula& f, const problem_of<double>& x, Work work) {
  std::vector<sequence> sequences;
  list_sequences(x, sequences);
  for (const sequence& where : sequences)
    for (long h = 0; h < x.q.sizes[2]; ++h) work(head(f, x, where, h));
}

}  // namespace qkv::oracle
