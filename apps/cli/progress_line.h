// How a training run looks while it goes on: a bar that moves on a terminal, a line now and then elsewhere.
#pragma once
#include <string>

#include "apps/cli/terminal.h"
#include "qkv/train/progress.h"

namespace qkv::cli {

/// "1:05:09", "2:03".
std::string in_clock(double seconds);
/// "97.5%", "99.90%", "100.0%".
std::string in_percent(double share);

class progress_line {
 public:
  /// `seconds`: the run's limit in time, 0 where steps are its limit.   `unit`: what is learned from
  progress_line(double seconds, bool quiet, const char* unit = "tokens");
  ~progress_line();

  void show(const training_progress& p);
  /// Takes the bar away, so that other text can be printed.
  void clear();

  /// A report in one line.
  std::string text_of(const training_progress& p) const;

 private:
  std::string bar_of(const training_progress& p) const;
  double share_done(const training_progress& p) const;

  double limit_;
  const char* unit_;
  bool quiet_, terminal_;
  look look_;
  bool shown_ = false;
  double last_line_ = -1e9;  // when the latest plain line was printed
};

}  // namespace qkv::cli
