#include "benchmarks/stopwatch.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>

namespace qkv::benchmarks {
namespace {

constexpr double trial_seconds = 0.03;

double seconds_of(double ticks) { return ticks / double(sysconf(_SC_CLK_TCK)); }

// Of all processors and processes since the machine started.
double busy_seconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  file >> word;
  double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft_interrupts = 0, stolen = 0;
  file >> user >> nice >> system >> idle >> waiting >> interrupts >> soft_interrupts >> stolen;
  return seconds_of(user + nice + system + interrupts + soft_interrupts + stolen);
}

double process_seconds(const std::string& process) {
  std::ifstream file("/proc/" + process + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  constexpr int fields_before_user_time = 11;
  std::size_t at = name_end + 2;
  for (int n = 0; n < fields_before_user_time; ++n) at = text.find(' ', at) + 1;
  std::size_t used = 0;
  const double user = std::stod(text.substr(at), &used);
  return seconds_of(user + std::stod(text.substr(at + used)));
}

double own_seconds(const std::vector<pid_t>& children) {
  double sum = process_seconds("self");
  for (const pid_t child : children) sum += process_seconds(std::to_string(child));
  return sum;
}

}  // namespace

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

trial trial_of(std::function<void()> work) {
  return [work = std::move(work), calls = 0L]() mutable {
    const double start = seconds_now();
    if (calls == 0) {
      work();  // unlike the others: it touches new memory
      const double second = seconds_now();
      work();
      calls = std::max(1L, std::lround(trial_seconds / (seconds_now() - second)));
      return (seconds_now() - start) / 2;
    }
    for (long n = 0; n < calls; ++n) work();
    return (seconds_now() - start) / double(calls);
  };
}

load_meter::load_meter(std::vector<pid_t> children)
    : children_(std::move(children)), start_(seconds_now()), busy_(busy_seconds()), own_(own_seconds(children_)) {}

double load_meter::others() const {
  const double busy = busy_seconds() - busy_, own = own_seconds(children_) - own_;
  return std::max(0.0, (busy - own) / (seconds_now() - start_));
}

}  // namespace qkv::benchmarks
