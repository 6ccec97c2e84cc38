#include "apps/cli/memory_meter.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "qkv/base/memory.h"

namespace qkv::cli {
namespace {

constexpr double kib = 1024, none = std::numeric_limits<double>::infinity();

// The number behind `key` in a file of lines "key: number kB", in bytes; infinity where there is none.
double entry(const char* path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word)
    if (double number = 0; word == key && file >> number) return number * kib;
  return none;
}

double whole_file(const char* path) {
  std::ifstream file(path);
  double number = 0;
  return file >> number ? number : none;
}

// Linux forgets the peak of a process that writes 5 here (proc(5)).
bool forget_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << 5 << std::flush;
  return bool(file);
}

}  // namespace

double available_memory() {
  const double machine = entry("/proc/meminfo", "MemAvailable:");
  const double limit = whole_file("/sys/fs/cgroup/memory.max"), used = whole_file("/sys/fs/cgroup/memory.current");
  return std::min(machine, limit < none && used < none ? std::max(limit - used, 0.0) : none);
}

std::string in_bytes(double bytes) {
  if (bytes < kib) return fmt::format("{:.0f} bytes", bytes);
  for (const char* unit : {"KiB", "MiB", "GiB"}) {
    bytes /= kib;
    if (bytes < kib) return fmt::format("{:.{}f} {}", bytes, bytes < 10 ? 1 : 0, unit);
  }
  return fmt::format("{:.1f} TiB", bytes / kib);
}

memory_meter::memory_meter() {
  release_kept_memory();
  reset_memory_peak();
  by_system_ = forget_peak();
  before_ = by_system_ ? entry("/proc/self/status", "VmRSS:") : double(memory_in_use().in_use);
}

double memory_meter::peak() const {
  const double now = by_system_ ? entry("/proc/self/status", "VmHWM:") : double(memory_in_use().peak);
  return std::max(now - before_, 0.0);
}

}  // namespace qkv::cli
