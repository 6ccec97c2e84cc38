// The learning curve on disk: a line of JSON for every report of a run.
#pragma once
#include <fstream>
#include <string>

#include "qkv/train/progress.h"

namespace qkv::cli {

class curve_file {
 public:
  /// An empty path: nothing is written.  `append`: earlier lines stay.  Throws file_error.
  curve_file(const std::string& path, bool append);

  /// A line that cannot be written does not stop the training; close() says so.
  void add(const training_progress& p);
  /// Throws file_error when a line is missing.
  void close();

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace qkv::cli
