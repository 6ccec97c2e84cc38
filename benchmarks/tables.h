// The tables that `qkv_benchmark` can make; one file each.
#pragma once
#include "benchmarks/session.h"

namespace qkv::benchmarks {

void measure_peak(session& s);              ///< what the machine can do
void measure_attention(session& s);         ///< forward and backward by shape
void measure_one_query(session& s);         ///< decoding: bound by memory
void measure_attention_inputs(session& s);  ///< large logits and sinks against normal inputs
void measure_attention_masks(session& s);   ///< time against live links
void measure_attention_scores(session& s);  ///< a user's lambda against none
void measure_attention_parts(session& s);   ///< similarities, weightings, statistics
void measure_growth(session& s);            ///< fused against N x N, in time and memory
void measure_gradient_distance(session& s);  ///< how far back a gradient reaches, recurrent and attention
void measure_recurrence_time(session& s);    ///< forward and backward by length, recurrent and attention
void measure_linear_attention(session& s);  ///< its rules against softmax, in time a token
void measure_matmul(session& s);            ///< products of linear layers
void measure_training(session& s);          ///< tokens a second
void measure_training_curves(session& s);   ///< validation loss while learning; takes minutes

}  // namespace qkv::benchmarks
