#include "apps/cli/counted_work.h"

#include <fmt/format.h>

namespace qkv::cli {

counted_work::counted_work(const output_options& output, long all, std::string unit)
    : shows_(!output.quiet && !output.json && is_terminal(stderr)), all_(all), unit_(std::move(unit)) {}

counted_work::~counted_work() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void counted_work::show(long done) {
  if (!shows_) return;
  shown_ = true;
  fmt::print(stderr, "\r{} of {} {}", done, all_, unit_);
  std::fflush(stderr);
}

}  // namespace qkv::cli
