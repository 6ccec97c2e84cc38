// The record of a run on disk: a line of JSON for every report.
#pragma once
#include <filesystem>
#include <fstream>
#include <vector>

#include "qkv/train/progress.h"

namespace qkv::cli {

class metrics_file {
 public:
  /// Lines of steps after `resumed_step`, which a run that was cut off had written, are dropped; 0: all.
  /// Throws file_error.
  metrics_file(std::filesystem::path path, long resumed_step);

  /// A line that cannot be written does not stop the training; close() says so.
  void add(const training_progress& p);
  /// Throws file_error when a line is missing.
  void close();

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

/// The numbers that a loss curve shows.
struct loss_points {
  std::vector<std::pair<double, double>> learned, validated;  ///< step and loss
};
/// Lines that are not of a run's record are left out.
loss_points read_loss_points(const std::filesystem::path& metrics);

}  // namespace qkv::cli
