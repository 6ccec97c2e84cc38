// Interpreting a mask on intervals: what it says of a whole tile.
#pragma once
#include "qkv/traced/schedule.h"

namespace qkv::traced {

/// Whether the mask holds everywhere, nowhere or in parts of a tile.  The schedule has no real numbers (check_mask).
coverage classify(const schedule& mask, const position<interval>& at);

/// Throws shape_error where a mask gives a number, or compares real ones: intervals are of whole numbers.
void check_mask(const program& mask);

}  // namespace qkv::traced
