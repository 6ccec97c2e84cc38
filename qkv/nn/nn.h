// The front door of the modules, from which models are put together.
#pragma once
#include "qkv/nn/block.h"
#include "qkv/nn/dropout.h"
#include "qkv/nn/embedding.h"
#include "qkv/nn/feed_forward.h"
#include "qkv/nn/initialisation.h"
#include "qkv/nn/key_value_cache.h"
#include "qkv/nn/linear.h"
#include "qkv/nn/module.h"
#include "qkv/nn/multi_head_attention.h"
#include "qkv/nn/norm.h"
#include "qkv/nn/positions.h"
#include "qkv/nn/recurrent.h"
