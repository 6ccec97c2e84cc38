// The learning rate over a run.
#pragma once
#include "qkv/train/options.h"

namespace qkv {

/// Linear warm-up, then half a cosine down to final_share (Loshchilov & Hutter 2017, without restarts).
/// @param step  counts from 0   @param elapsed_share  of options.seconds; where time is the tighter limit, the cosine
/// follows it
double learning_rate_at(long step, const training_options& options, double elapsed_share = 0);

}  // namespace qkv
