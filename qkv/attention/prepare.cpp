#include "qkv/attention/prepare.h"

#include <algorithm>

#include "qkv/attention/prepare_kernel.h"
#include "qkv/base/threads.h"

namespace qkv {
namespace {

constexpr long rows_at_a_time = 64;

// A dense copy [B, H, T, D] seen as [B, T, H, D].
view<float, 4> dense(growing_memory& memory, const std::array<long, 4>& sizes) {
  const auto [B, T, H, D] = sizes;
  float* const data = memory.get<float>(B * T * H * D);
  return {data, sizes, {H * T * D, D, T * D, 1}};
}

// work(rows, head, first row counted over [B, H, T]) for stretches of rows of one head each.
void each_stretch(view<const float, 4> from, view<float, 4> to, auto work) {
  const auto [B, T, H, D] = from.sizes;
  const long pieces = (T + rows_at_a_time - 1) / rows_at_a_time;
  parallel_for(B * H * pieces, [&](long n, int thread) {
    const long b = n / (H * pieces), h = n / pieces % H, t = n % pieces * rows_at_a_time;
    work(prepared_rows{&from(b, t, h, 0), from.strides[1], std::min(rows_at_a_time, T - t), D, &to(b, t, h, 0)}, h,
         (b * H + h) * T + t, thread);
  });
}

// A point among the keys of a head, from a few of them: channel by channel the median of those that are finite.  It is
// there to keep |q|^2 + |k|^2 small beside |q - k|^2, whatever single keys do.
void centre_of(view<const float, 4> k, long b, long g, float* centre) {
  constexpr long most = 9;
  const long keys = k.sizes[1], step = std::max(1L, keys / most);
  for (long d = 0; d < k.sizes[3]; ++d) {
    float sample[most];
    long n = 0;
    for (long j = 0; j < keys && n < most; j += step)
      if (const float x = k(b, j, g, d); x - x == 0) {  // insert it in order
        long at = n++;
        for (; at > 0 && sample[at - 1] > x; --at) sample[at] = sample[at - 1];
        sample[at] = x;
      }
    centre[d] = n > 0 ? sample[n / 2] : 0;
  }
}

prepared_problem with_units(const problem& x, workspace::state& w) {
  const auto q = dense(w.prepared_queries, x.q.sizes), k = dense(w.prepared_keys, x.k.sizes);
  const auto divide = [](const prepared_rows& rows, auto...) { prepare_kernels_now().unit(rows); };
  each_stretch(x.q, q, divide);
  each_stretch(x.k, k, divide);
  return {q, k};
}

prepared_problem with_squares(const problem& x, workspace::state& w) {
  const auto q = dense(w.prepared_queries, x.q.sizes), k = dense(w.prepared_keys, x.k.sizes);
  const auto [B, T, H, D] = x.q.sizes;
  const long S = x.k.sizes[1], G = x.k.sizes[2], room = 64;
  float* const centres = w.squares.get<float>(B * G * D + B * H * T + B * G * S + room);
  float *const of_queries = centres + B * G * D, *const of_keys = of_queries + B * H * T;
  std::fill_n(of_keys + B * G * S, room, 0.f);
  parallel_for(B * G, [&](long n, int) { centre_of(x.k, n / G, n % G, centres + n * D); });
  each_stretch(x.q, q, [&](const prepared_rows& rows, long h, long first, int) {
    prepare_kernels_now().centred(rows, centres + (first / (H * T) * G + h / (H / G)) * D, of_queries + first);
  });
  each_stretch(x.k, k, [&](const prepared_rows& rows, long g, long first, int) {
    prepare_kernels_now().centred(rows, centres + (first / (G * S) * G + g) * D, of_keys + first);
  });
  return {q, k, of_queries, of_keys};
}

// The similarity's matrix for every head, packed; the transpose serves the way back.
class packed_matrices {
 public:
  packed_matrices(const tensor& matrix, long depth, bool transposed, growing_memory& memory)
      : per_head_(matrix.rank() == 3), depth_(depth) {
    const long count = per_head_ ? matrix.dim(0) : 1, columns = prepare_kernels_now().tile_columns;
    size_ = (depth + columns - 1) / columns * columns * depth;
    scratch_ = (depth * 16 + 15) / 16 * 16;
    data_ = memory.get<float>(count * size_ + thread_count() * scratch_);
    for (long n = 0; n < count; ++n)
      prepare_kernels_now().pack_matrix(matrix.data<float>() + n * depth * depth, depth, transposed, data_ + n * size_);
    of_threads_ = data_ + count * size_;
  }
  void project(const prepared_rows& rows, long head, int thread) const {
    prepare_kernels_now().project(rows, data_ + (per_head_ ? head * size_ : 0), of_threads_ + thread * scratch_);
  }

 private:
  bool per_head_;
  long depth_, size_ = 0, scratch_ = 0;
  float *data_ = nullptr, *of_threads_ = nullptr;
};

prepared_problem projected(const tensor& matrix, const problem& x, workspace::state& w) {
  const auto q = dense(w.prepared_queries, x.q.sizes);
  const packed_matrices all(matrix, x.q.sizes[3], false, w.prepared_keys);
  each_stretch(x.q, q, [&](const prepared_rows& rows, long h, long, int thread) { all.project(rows, h, thread); });
  return {q, x.k};
}

// Every thread takes its own columns of the gradient; rows are summed in order.
void matrix_backward(const tensor& matrix, const problem& x, view<const float, 4> dq, float* gradient) {
  const auto [B, T, H, D] = x.q.sizes;
  const long columns = prepare_kernels_now().tile_columns;
  parallel_for((D + columns - 1) / columns, [&](long n, int) {
    for (long b = 0; b < B; ++b)
      for (long h = 0; h < H; ++h)
        prepare_kernels_now().matrix_gradient(&x.q(b, 0, h, 0), x.q.strides[1], &dq(b, 0, h, 0), dq.strides[1], T, D,
                                              n * columns, gradient + (matrix.rank() == 3 ? h * D * D : 0));
  });
}

void units_backward(view<const float, 4> given, view<const float, 4> unit, view<float, 4> gradient) {
  const view<float, 4> u{const_cast<float*>(unit.data), unit.sizes, unit.strides};  // read only
  each_stretch(given, u, [&](const prepared_rows& rows, long h, long first, int) {
    const long T = given.sizes[1], H = given.sizes[2], b = first / (H * T), t = first % T;
    prepare_kernels_now().unit_backward(rows, &gradient(b, t, h, 0), gradient.strides[1]);
  });
}

}  // namespace

prepared_problem prepare(const formula& f, const problem& x, workspace::state& w) {
  if (f.prepare() == vectors::unit) return with_units(x, w);
  if (f.projection()) return projected(*f.projection(), x, w);
  if (f.similarity_form() == form::distance) return with_squares(x, w);
  return {x.q, x.k};
}

prepared_problem prepare_queries(const formula& f, const problem& x, workspace::state& w) {
  if (f.projection()) return projected(*f.projection(), x, w);
  if (f.prepare() != vectors::unit) return {x.q, x.k};
  const auto q = dense(w.prepared_queries, x.q.sizes);
  each_stretch(x.q, q, [](const prepared_rows& rows, auto...) { prepare_kernels_now().unit(rows); });
  return {q, x.k};
}

void prepare_backward(const formula& f, const problem& x, const prepared_problem& p, view<float, 4> dq, view<float, 4> dk,
                      std::span<float* const> learned, workspace::state& w) {
  if (f.prepare() == vectors::unit) {
    units_backward(x.q, p.q, dq);
    units_backward(x.k, p.k, dk);
  } else if (const tensor* matrix = f.projection()) {
    matrix_backward(*matrix, x, dq, learned[0]);
    const packed_matrices all(*matrix, x.q.sizes[3], true, w.prepared_keys);
    const auto back = dense(w.prepared_queries, x.q.sizes);
    each_stretch(dq, back, [&](const prepared_rows& rows, long h, long first, int thread) {
      all.project(rows, h, thread);
      const long T = x.q.sizes[1], H = x.q.sizes[2], b = first / (H * T), t = first % T;
      for (long i = 0; i < rows.rows; ++i) std::copy_n(rows.to + i * rows.depth, rows.depth, &dq(b, t + i, h, 0));
    });
  }
}

}  // namespace qkv
