#include "qkv/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qkv {
namespace {

/// The share of options.learning_rate when `done` of the run is behind.
double cosine(double done, double final_share) {
  return final_share + (1 - final_share) * (1 + std::cos(std::numbers::pi * done)) / 2;
}

double stable_then_down(double done, double final_share) {
  constexpr double falling = 0.2;
  return done < 1 - falling ? 1 : final_share + (1 - final_share) * (1 - done) / falling;
}

}  // namespace

double learning_rate_at(long step, const training_options& o, double elapsed_share) {
  if (step < o.warm_up) return o.learning_rate * double(step + 1) / double(o.warm_up);
  const double by_steps = double(step - o.warm_up) / double(std::max(1L, o.steps - o.warm_up));
  const double done = std::clamp(std::max(by_steps, elapsed_share), 0.0, 1.0);
  switch (o.schedule) {
    case schedule_kind::half_cosine:
      return o.learning_rate * cosine(done, o.final_share);
    case schedule_kind::inverse_square_root:
      return o.learning_rate * std::sqrt(double(std::max(1L, o.warm_up)) / double(step + 1));
    case schedule_kind::warm_stable_decay:
      return o.learning_rate * stable_then_down(done, o.final_share);
    case schedule_kind::constant:
      break;
  }
  return o.learning_rate;
}

}  // namespace qkv
