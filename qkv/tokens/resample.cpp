#include "qkv/tokens/resample.h"

#include <soxr.h>

#include <cmath>

namespace qkv {

sound resampled(const sound& what, long rate) {
  constexpr long highest = 1L << 24;
  if (rate < 1 || rate > highest || what.rate < 1 || what.rate > highest)
    refuse("resampled", "rates from 1 to 2^24", std::to_string(what.rate) + " and " + std::to_string(rate));
  if (what.samples.rank() != 1 || what.samples.size() == 0)
    refuse("resampled", "samples [N], at least one", to_string(what.samples.shape()));
  if (what.rate == rate) return what;
  const tensor from = what.samples.to(dtype::float32).to_contiguous();
  const long count = std::max(1L, std::lround(double(from.size()) * double(rate) / double(what.rate)));
  tensor to({count});
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  std::size_t read = 0, written = 0;
  const soxr_error_t problem =
      soxr_oneshot(double(what.rate), double(rate), 1, from.data<const float>(), std::size_t(from.size()), &read,
                   to.data<float>(), std::size_t(count), &written, nullptr, &quality, nullptr);
  if (problem) refuse("resampled", "rates that libsoxr can join", problem);
  return {std::move(to), rate};
}

}  // namespace qkv
