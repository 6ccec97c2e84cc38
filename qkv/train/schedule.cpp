#include "qkv/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qkv {

double learning_rate_at(long step, const training_options& o, double elapsed_share) {
  if (step < o.warm_up) return o.learning_rate * double(step + 1) / double(o.warm_up);
  const double by_steps = double(step - o.warm_up) / double(std::max(1L, o.steps - o.warm_up));
  const double done = std::clamp(std::max(by_steps, elapsed_share), 0.0, 1.0);
  const double cosine = (1 + std::cos(std::numbers::pi * done)) / 2;
  return o.learning_rate * (o.final_share + (1 - o.final_share) * cosine);
}

}  // namespace qkv
