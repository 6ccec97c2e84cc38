// The learning rate over a run.
#pragma once
#include "qkv/train/options.h"

namespace qkv {

/// Linear warm-up, then as options.schedule says.
/// @param step  counts from 0   @param elapsed_share  of options.seconds; where time is the tighter limit, the
/// cosine and warm_stable_decay follow it
double learning_rate_at(long step, const training_options& options, double elapsed_share = 0);

}  // namespace qkv
