// The front door of the ops: every tensor function but attention, forward and derivative side by side.
//
// Rules that all of them keep:
//   - results are the same bits for any number of threads;
//   - `op` returns a new tensor, `op_into` writes into memory given first, `op_backward...` gives the derivative;
//   - gradients for parameters are added to what is there, gradients for inputs replace it unless writing::add is
//   given;
//   - leading axes are rows; the last axis has unit stride or is copied; results' last axis must have unit stride;
//   - a result may be an input's own memory where its header says so, and must not lie across it;
//   - wrong shapes throw shape_error "op: expected ...; found ..." before anything is written.
#pragma once
#include "qkv/ops/activate.h"
#include "qkv/ops/adamw.h"
#include "qkv/ops/add.h"
#include "qkv/ops/concatenate.h"
#include "qkv/ops/cross_entropy.h"
#include "qkv/ops/depthwise_convolution.h"
#include "qkv/ops/dropout.h"
#include "qkv/ops/embedding.h"
#include "qkv/ops/fourier_mixing.h"
#include "qkv/ops/gru.h"
#include "qkv/ops/layer_norm.h"
#include "qkv/ops/linear.h"
#include "qkv/ops/lstm.h"
#include "qkv/ops/matmul.h"
#include "qkv/ops/multiply.h"
#include "qkv/ops/muon.h"
#include "qkv/ops/recurrent.h"
#include "qkv/ops/rms_norm.h"
#include "qkv/ops/rotary.h"
#include "qkv/ops/scale.h"
#include "qkv/ops/segment_mean.h"
#include "qkv/ops/sgd.h"
#include "qkv/ops/softmax.h"
#include "qkv/ops/squared_norm.h"
#include "qkv/ops/sum.h"
#include "qkv/ops/swiglu.h"
