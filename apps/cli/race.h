// The race: fused attention against the N x N way, in time and in memory.
#pragma once
#include <string>

namespace qkv::cli {

/// What of a race fits into memory.
struct race_plan {
  long queries = 0;        ///< queries that run, against all keys
  long heads_at_once = 0;  ///< heads whose weights the N x N way holds at a time
  std::string remark;      ///< why it is less than asked for; empty when it is not
};
/// A pure function.  Throws std::runtime_error where not even queries, keys and values fit.
race_plan plan_race(long tokens, long heads, long width, double available_bytes);

/// One way's run.
struct race_result {
  double seconds = 0;
  double bytes = 0;  ///< the most memory held beyond the inputs
};

struct race {
  long tokens = 0, heads = 0, width = 0;
  race_plan plan;
  race_result fused{}, square{};  ///< square: the N x N way
  double difference = 0;          ///< largest, between the two outputs
  double largest = 0;             ///< of the outputs themselves

  double operations() const { return 4.0 * double(plan.queries) * double(tokens) * double(heads) * double(width); }
};
race run_race(long tokens, long heads, long width);

/// A score and a mask written as lambdas: run, differentiated, and the gradient checked.
struct lambda_result {
  std::string source;
  race_result forward{}, backward{};
  double gradient = 0;    ///< of a random weighing of the outputs, along a random direction in (q, k, v)
  double difference = 0;  ///< the same by a central difference of forward runs

  double relative_error() const;
};
lambda_result run_lambda(long tokens, long heads, long width);

}  // namespace qkv::cli
