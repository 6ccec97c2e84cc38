// The second-order kernel: blocks of queries walk over their live key blocks twice, then blocks of keys over their live
// query blocks.  With the matrices of second_order_links.h:
//
//   query walk   1  alpha = rows' sums of P A,  rest = rows' sums of P ((dP - delta) A + G)
//                2  dL/dQ    = scale (dSS K + dS b)
//                   dL/ddout = U V + P g
//   key walk     3  dL/dK    = scale (dSS' Q + dS' a)
//                   dL/dV    = U' dout
//
// Five products a link make the matrices, in each of the three; nothing of them is kept between.  A block's results are
// its own and are summed in the order of the plan, so the bits do not depend on threads.
#include "qkv/attention/second_order_kernel.h"

#include "qkv/attention/second_order_links.h"
#include "qkv/kernels/flush_denormals.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

/// One product: a of the links, b of rows.
struct factors {
  const float *a, *b;
};

class second_order_walk : second_order_links {
 public:
  explicit second_order_walk(const second_order_work& work)
      : second_order_links(work), depth(rounded_up(w.depth, tile_columns)),
        columns(rounded_up(w.columns, tile_columns)), of_depth(dss + side * pitch), of_columns(of_depth + side * depth),
        row_alpha(of_columns + side * columns), row_rest(row_alpha + side) {
    for (long i = 0; i < side * (depth + columns + 2); i += width) store(of_depth + i, reals(0.f));
  }
  static long scratch_floats(long depth, long columns) {
    return matrix_floats + side * (rounded_up(depth, tile_columns) + rounded_up(columns, tile_columns) + 2);
  }

  void walk_keys() {
    const second_order_head& head = w.heads[0];
    each_live(head, [&](long b, bool is_full) {
      if (take(head, w.block, b, is_full)) add_to_row_sums();
    });
    const query_block mine = queries_at(head, w.block);
    for (int r = 0; r < side; ++r) mine.alpha[r] = row_alpha[r], mine.rest[r] = row_rest[r];
    each_live(head, [&](long b, bool is_full) {
      if (take(head, w.block, b, is_full)) add_to_queries(mine, keys_at(b));
    });
    finish(w.where.all_rows - w.block * side);
  }
  void walk_queries() {
    for (long n = 0; n < w.head_count; ++n)
      each_live(w.heads[n], [&](long b, bool is_full) {
        if (take(w.heads[n], b, w.block, is_full)) add_to_keys(queries_at(w.heads[n], b));
      });
    finish(w.where.all_keys - w.block * side);
  }

 private:
  void each_live(const second_order_head& head, auto f) const {
    const live_list& live = *head.live;
    for (auto r = live.first[w.block]; r < live.first[w.block + 1]; ++r)
      for (long b = live.runs[r].from; b < live.runs[r].to; ++b) f(b, live.runs[r].full);
  }

  void add_to_row_sums() const {
    for (long r = 0; r < rows; ++r) {
      reals of_u = 0.f, of_dss = 0.f;
      for (long c = 0; c < key_panels * tile_columns; c += width) {
        of_u = of_u + load(u + r * pitch + c);
        of_dss = of_dss + load(dss + r * pitch + c);
      }
      row_alpha[r] += sum(of_u);
      row_rest[r] += sum(of_dss);
    }
  }

  template <int RowStride, int DepthStride>
  static void add(float* sums, long n, auto... products) {
    tile_sums s;
    s.load_from(sums, tile_columns);
    (s.add_product<RowStride, DepthStride>(products.a, products.b, n), ...);
    s.store_to(sums, tile_columns);
  }
  void add_to_queries(const query_block& q, const key_block& k) {
    if (!exact) return link_by_link(q, k, true);
    for (int i = 0; i < query_panels; ++i) {
      if (from[i] >= to[i]) continue;
      const long links = i * tile_rows * pitch + from[i] * tile_columns, n = (to[i] - from[i]) * tile_columns;
      const long first = from[i] * tile_columns * tile_columns;
      const auto rows_from = [&](const float* x, long c) { return x + c * side + first; };
      for (long c = 0; c < depth; c += tile_columns)
        add<pitch, 1>(of_depth + i * tile_rows * depth + c * tile_rows, n, factors{dss + links, rows_from(k.k_rows, c)},
                      factors{ds + links, rows_from(k.b_rows, c)});
      for (long c = 0; c < columns; c += tile_columns)
        add<pitch, 1>(of_columns + i * tile_rows * columns + c * tile_rows, n,
                      factors{u + links, rows_from(k.v_rows, c)}, factors{p + links, rows_from(k.g_rows, c)});
    }
  }
  // A group of tile_rows keys at a time over its live queries.
  void add_to_keys(const query_block& q) {
    if (!exact) return link_by_link(q, keys_at(w.block), false);
    for (int g = 0; g * tile_rows < keys; ++g) {
      const int first = g * tile_rows / tile_columns, last_key = g * tile_rows + tile_rows - 1;
      const int last = last_key / tile_columns < key_panels ? last_key / tile_columns : key_panels - 1;
      const int begin = (query_from[first] < query_from[last] ? query_from[first] : query_from[last]) * tile_rows;
      const int end = (query_to[first] > query_to[last] ? query_to[first] : query_to[last]) * tile_rows;
      if (begin >= end) continue;
      const long links = begin * pitch + g * tile_rows;
      const auto rows_from = [&](const float* x, long c) { return x + c * side + begin * tile_columns; };
      for (long c = 0; c < depth; c += tile_columns)
        add<1, pitch>(of_depth + g * tile_rows * depth + c * tile_rows, end - begin,
                      factors{dss + links, rows_from(q.q_rows, c)}, factors{ds + links, rows_from(q.a_rows, c)});
      for (long c = 0; c < columns; c += tile_columns)
        add<1, pitch>(of_columns + g * tile_rows * columns + c * tile_rows, end - begin,
                      factors{u + links, rows_from(q.d_rows, c)});
    }
  }

  // The same for blocks with NaN or infinity in them, so that a link that does not exist leaves no trace (0 * NaN is
  // NaN in the products above).
  void link_by_link(const query_block& q, const key_block& k, bool to_queries) {
    for (long i = 0; i < rows; ++i)
      for (long j = 0; j < keys; ++j) {
        const long at = i * pitch + j;
        if (p[at] == 0) continue;
        if (to_queries) {
          add_row(of_depth, depth, i, dss[at], k.k_rows, j), add_row(of_depth, depth, i, ds[at], k.b_rows, j);
          add_row(of_columns, columns, i, u[at], k.v_rows, j), add_row(of_columns, columns, i, p[at], k.g_rows, j);
        } else {
          add_row(of_depth, depth, j, dss[at], q.q_rows, i), add_row(of_depth, depth, j, ds[at], q.a_rows, i);
          add_row(of_columns, columns, j, u[at], q.d_rows, i);
        }
      }
  }
  static void add_row(float* sums, long padded, long to, float factor, const float* rows, long from) {
    if (factor == 0) return;
    for (long c = 0; c < padded; ++c)
      sums[packed_place(to, c, padded)] +=
          factor * rows[c / tile_columns * side * tile_columns + from * tile_columns + c % tile_columns];
  }

  void finish(long existing) const {
    for (long r = 0; r < side && r < existing; ++r) {
      unpack_row(of_depth + packed_row(r, depth), w.depth, w.scale, w.of_depth + r * w.of_depth_stride);
      unpack_row(of_columns + packed_row(r, columns), w.columns, 1.f, w.of_columns + r * w.of_columns_stride);
    }
  }

  const long depth, columns;              // rounded up to whole panels
  float *const of_depth, *const of_columns;  // results [panel][column panel][tile_rows][tile_columns]
  float *const row_alpha, *const row_rest;   // [side]
};

void query_walk(const second_order_work& w) {
  const flush_denormals flush;
  second_order_walk(w).walk_keys();
}
void key_walk(const second_order_work& w) {
  const flush_denormals flush;
  second_order_walk(w).walk_queries();
}

}  // namespace

const second_order_kernel_table second_order_kernels = {query_block::floats,
                                                        key_block::floats,
                                                        second_order_walk::scratch_floats,
                                                        pack_queries,
                                                        pack_keys,
                                                        query_walk,
                                                        key_walk};

}  // namespace qkv::QKV_INSTRUCTION_SET
