#include "qkv/attention/threshold.h"

namespace qkv {

constexpr double farthest = 1e12;

double reach(const formula& f, double weight) {
  const auto below = [&](double x) {
    double y = 0;
    f.activate({&x, 1}, &y, nullptr);
    return y < weight;
  };
  double low = -1, high = 1;
  while (!below(low) && low > -farthest) low *= 2;
  while (below(high) && high < farthest) high *= 2;
  for (int halving = 0; halving < 100; ++halving) {
    const double middle = (low + high) / 2;
    (below(middle) ? low : high) = middle;
  }
  return high;
}

double unit_reach(const formula& f) {
  if (f.closed_form() == closed::exponential || f.sum_to_one() != normalised::yes) return 0;
  const double x = reach(f, 1);
  return x < farthest ? x : 0;
}

}  // namespace qkv
