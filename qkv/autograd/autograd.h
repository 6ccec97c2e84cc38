// The front door of the tape: variables, backward(), and every differentiable operation.
//
// Each operation is an op of qkv/ops, or attention, joined with its derivative by record() (record.h): nothing is
// computed here that is not computed there.  To add one: call the op, and record() the call of its derivative.
#pragma once
#include "qkv/autograd/attention.h"
#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/embedding.h"
#include "qkv/autograd/feed_forward.h"
#include "qkv/autograd/finite_watch.h"
#include "qkv/autograd/graph_attention.h"
#include "qkv/autograd/linear.h"
#include "qkv/autograd/linear_attention.h"
#include "qkv/autograd/loss.h"
#include "qkv/autograd/mixing.h"
#include "qkv/autograd/norm.h"
#include "qkv/autograd/record.h"
#include "qkv/autograd/recurrent.h"
#include "qkv/autograd/rows.h"
#include "qkv/autograd/variable.h"
#include "qkv/autograd/views.h"
