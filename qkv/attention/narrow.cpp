// Rounding to int8 and back, and the door of the forward pass over narrow keys and values.
#include "qkv/attention/narrow.h"

#include <cmath>
#include <limits>

#include "qkv/attention/passes.h"
#include "qkv/attention/readable.h"
#include "qkv/base/memory.h"
#include "qkv/base/threads.h"

namespace qkv {
namespace {

constexpr float most = 127;

// One row: its scale.
float quantise_row(const float* x, long channels, std::int8_t* to) {
  float greatest = 0;
  bool finite = true;
  for (long c = 0; c < channels; ++c) greatest = std::max(greatest, std::abs(x[c])), finite &= std::isfinite(x[c]);
  if (!finite) {
    std::fill_n(to, channels, std::int8_t(1));
    return std::numeric_limits<float>::quiet_NaN();
  }
  const float scale = greatest / most;
  const float per_scale = scale >= std::numeric_limits<float>::min() ? most / greatest : 0;  // too small for a scale: 0
  for (long c = 0; c < channels; ++c) to[c] = std::int8_t(std::nearbyint(x[c] * per_scale));
  return per_scale == 0 ? 0 : scale;
}

std::array<long, 3> without_channels(const std::array<long, 4>& s) { return {s[0], s[1], s[2]}; }

view<const float, 4> seen(const view<const float, 4>& v) { return v; }
template <class T>
view<const float, 4> seen(const view<const T, 4>& v) {
  return {reinterpret_cast<const float*>(v.data), v.sizes, v.strides};
}
view<const float, 4> seen(const quantised& x) { return seen(x.values); }

void check_scales(const char* name, const narrow_view& x) {
  if (const auto* bytes = std::get_if<quantised>(&x))
    check_given("attention", name, bytes->scales, without_channels(bytes->values.sizes));
}

}  // namespace

void quantise_into(view<const float, 4> x, view<std::int8_t, 4> values, view<float, 3> scales) {
  const auto text = [](const auto& sizes) { return to_string(shape(sizes.begin(), sizes.end())); };
  if (values.sizes != x.sizes) refuse("quantise", "values " + text(x.sizes), text(values.sizes));
  check_given("quantise", "scales", scales, without_channels(x.sizes));
  for (const long stride : {x.strides[3], values.strides[3]})
    if (x.sizes[3] > 1 && stride != 1)
      refuse("quantise", "unit stride in the last axis", "a stride of " + std::to_string(stride));
  const auto [B, S, G, D] = x.sizes;
  if (x.size() == 0) return;
  parallel_for(B * S, [&, S = S, G = G, D = D](long n, int) {
    for (long g = 0; g < G; ++g)
      scales(n / S, n % S, g) = quantise_row(&x(n / S, n % S, g, 0), D, &values(n / S, n % S, g, 0));
  });
}

quantised quantise(const tensor& given) {
  const tensor x = readable("quantise", "x", "[B, S, G, D]", given);
  const auto from = x.view<const float, 4>();
  const auto sizes = from.sizes;
  const tensor scales(shape{sizes[0], sizes[1], sizes[2]});
  const std::shared_ptr<std::byte[]> bytes = allocate_memory(std::size_t(std::max(1L, x.size())));
  const auto values = view<std::int8_t, 4>::dense(reinterpret_cast<std::int8_t*>(bytes.get()), sizes);
  quantise_into(from, values, scales.view<float, 3>());
  return {values, scales.view<const float, 3>(),
          std::make_shared<std::pair<std::shared_ptr<std::byte[]>, tensor>>(bytes, scales)};
}

tensor dequantised(const quantised& x) {
  const auto [B, S, G, D] = x.values.sizes;
  const tensor all = tensor::uninitialized({B, S, G, D});
  const auto to = all.view<float, 4>();
  for (long b = 0; b < B; ++b)
    for (long s = 0; s < S; ++s)
      for (long g = 0; g < G; ++g)
        for (long c = 0; c < D; ++c) to(b, s, g, c) = float(x.values(b, s, g, c)) * x.scales(b, s, g);
  return all;
}

void attention_into(const formula& f, const narrow_problem& x, view<float, 4> out, view<float, 3> lse, workspace& w) {
  // Shapes are checked and work is planned on views that are never read through.
  const auto as_seen = [](const narrow_view& v) { return std::visit([](const auto& one) { return seen(one); }, v); };
  const problem shapes{x.q, as_seen(x.k), as_seen(x.v), x.align, x.ragged};
  check("attention", f, shapes);
  check_fused("attention", f);
  check_scales("the scales of k", x.k), check_scales("the scales of v", x.v);
  check_given("attention", "out", out, {shapes.q.sizes[0], shapes.q.sizes[1], shapes.q.sizes[2], shapes.v.sizes[3]});
  check_given("attention", "lse", lse, {shapes.q.sizes[0], shapes.q.sizes[1], shapes.q.sizes[2]});
  const prepared_problem prepared = prepare_queries(f, shapes, w.inside());
  run_forward(f, shapes, x, prepared, out, lse, w.inside());
}

}  // namespace qkv
