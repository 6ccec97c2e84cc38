#include "qkv/ops/squared_norm.h"

#include <cmath>
#include <vector>

#include "qkv/kernels/optimizer.h"
#include "qkv/ops/rows.h"

namespace qkv {
namespace {

struct stretch {
  const float* data;
  long count;
};

}  // namespace

double squared_norm(std::span<const tensor> tensors) {
  std::vector<tensor> owners;
  std::vector<stretch> work;
  for (const tensor& t : tensors) {
    owners.push_back(t.to_contiguous());
    const float* data = owners.back().data<float>();
    for (long first = 0; first < t.size(); first += piece_size)
      work.push_back({data + first, std::min(piece_size, t.size() - first)});
  }
  std::vector<double> partial(work.size());
  const auto kernel = optimizer_now().squared_norm;
  parallel_for(long(work.size()), [&](long item, int) {
    const stretch& s = work[std::size_t(item)];
    partial[std::size_t(item)] = kernel(s.data, s.count);
  });
  double total = 0;
  for (const double p : partial) total += p;
  return total;
}

double clipping_factor(double squared_norm, double largest_norm) {
  const double factor = largest_norm / (std::sqrt(squared_norm) + 1e-6);
  return factor < 1 || factor != factor ? factor : 1;
}

}  // namespace qkv
