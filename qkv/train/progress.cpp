#include "qkv/train/progress.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace qkv {

std::string to_json_line(const training_progress& p) {
  nlohmann::ordered_json line = {{"step", p.step},
                                 {"loss", p.loss},
                                 {"learning_rate", p.learning_rate},
                                 {"gradient_norm", p.gradient_norm},
                                 {"tokens_per_second", p.tokens_per_second},
                                 {"seconds", p.seconds}};
  if (p.epochs > 0) line["epochs"] = p.epochs;
  if (p.validated_now) line["validation_loss"] = p.validation_loss;
  if (p.left_out > 0) line["left_out"] = p.left_out;
  if (p.validated_now && !std::isnan(p.accuracy)) line["accuracy"] = p.accuracy;
  return line.dump();
}

}  // namespace qkv
