// Time, medians, and how busy other processes keep the machine meanwhile.
#pragma once
#include <sys/types.h>

#include <functional>
#include <vector>

namespace qkv::benchmarks {

double seconds_now();
double median(std::vector<double> values);

/// One trial of something: seconds a call.
using trial = std::function<double()>;

/// Trials of `work`, each of as many calls as fill some 30 ms; the first trial finds out how many these are.
trial trial_of(std::function<void()> work);

/// Counts the cores that processes other than this one and `children` use from now on (Linux; 0 where /proc is not).
/// Time that a hypervisor gave to others counts too.
class load_meter {
 public:
  explicit load_meter(std::vector<pid_t> children);
  double others() const;

 private:
  std::vector<pid_t> children_;
  double start_, busy_, own_;
};

}  // namespace qkv::benchmarks
