// What a training run reports.
#pragma once
#include <limits>
#include <string>

namespace qkv {

struct training_progress {
  long step = 0;                                                      ///< steps done
  double epochs = 0;                                                  ///< how often every example was seen
  long steps = 0;                                                     ///< steps in all, as far as known
  double loss = std::numeric_limits<double>::quiet_NaN();             ///< of the latest batch
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< the latest; NaN before the first
  double accuracy = std::numeric_limits<double>::quiet_NaN();         ///< of held-out answers, where a program counts them
  bool validated_now = false;                                         ///< validation_loss is new
  double best_loss = std::numeric_limits<double>::quiet_NaN();        ///< the lowest validation loss so far; NaN before one
  long best_step = 0;                                                 ///< where it was measured
  bool out_of_patience = false;                                       ///< options.patience ended the run
  long left_out = 0;                                                  ///< steps that were not finite
  long dropped_batches = 0;                                           ///< of a step that a stop cut short
  bool finished = false;                                              ///< the last report of the run
  double learning_rate = 0;                                           ///< of the latest step
  double gradient_norm = 0;                                           ///< of the latest step, before clipping
  double tokens_per_second = 0;  ///< since the last report; validation, samples and checkpoints left out
  double seconds = 0;            ///< since the run began, everything included
  double seconds_left = 0;       ///< estimate
};

/// One line of JSON for the record of a run: step, loss, learning rate, rate of work, and the validation loss where it
/// was measured.
std::string to_json_line(const training_progress&);

}  // namespace qkv
