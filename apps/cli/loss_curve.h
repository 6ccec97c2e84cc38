// The loss of a run as a picture.
#pragma once
#include <string>

#include "apps/cli/metrics_file.h"

namespace qkv::cli {

/// An SVG with the loss of the batches in grey and the validation loss in colour, over steps.
std::string loss_curve_svg(const loss_points& points, const std::string& title);

}  // namespace qkv::cli
