// traced_features: a lambda of one number, written down as a program, as a feature map of linear attention.
#pragma once
#include "qkv/linear_attention/feature_map.h"
#include "qkv/traced/program.h"

namespace qkv::traced {

/// The feature map of a program whose `score` is the number of a channel; its slopes follow from the program.
/// Throws shape_error unless the program's value is a real number.
feature_map make_traced_features(const program&);

}  // namespace qkv::traced
