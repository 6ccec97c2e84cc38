#include "apps/cli/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qkv::cli {
namespace {

constexpr double seconds_between_lines = 10;

std::string in_rate(double tokens_per_second) {
  return tokens_per_second >= 1e4 ? fmt::format("{:.1f} k", tokens_per_second / 1e3)
                                  : fmt::format("{:.0f}", tokens_per_second);
}

}  // namespace

std::string in_percent(double share) {
  return fmt::format("{:.{}f}%", 100 * share, share < 1 && share > 0.99 ? 2 : 1);
}

std::string in_clock(double seconds) {
  constexpr double longest = 1e15;  // what a long holds with room to spare
  const long all = std::lround(std::clamp(seconds, 0.0, longest)), hours = all / 3600, minutes = all / 60 % 60;
  return hours ? fmt::format("{}:{:02}:{:02}", hours, minutes, all % 60) : fmt::format("{}:{:02}", minutes, all % 60);
}

progress_line::progress_line(double seconds, bool quiet, const char* unit)
    : limit_(seconds), unit_(unit), quiet_(quiet), terminal_(is_terminal(stderr)), look_(look_of_terminal(stderr)) {}

progress_line::~progress_line() { clear(); }

double progress_line::share_done(const training_progress& p) const {
  const double by_steps = p.steps > 0 ? double(p.step) / double(p.steps) : 0;
  return std::clamp(std::max(by_steps, limit_ > 0 ? p.seconds / limit_ : 0.0), 0.0, 1.0);
}

std::string progress_line::text_of(const training_progress& p) const {
  std::string text = limit_ > 0 ? fmt::format("step {}", p.step) : fmt::format("step {}/{}", p.step, p.steps);
  if (!std::isnan(p.loss)) text += fmt::format("  loss {:.3f}", p.loss);
  if (!std::isnan(p.validation_loss)) text += fmt::format("  validation {:.3f}", p.validation_loss);
  if (!std::isnan(p.accuracy)) text += fmt::format("  {} right", in_percent(p.accuracy));
  if (p.tokens_per_second > 0) text += fmt::format("  {} {}/s", in_rate(p.tokens_per_second), unit_);
  return text + (p.finished ? fmt::format("  in {}", in_clock(p.seconds))
                            : fmt::format("  {} left", in_clock(p.seconds_left)));
}

std::string progress_line::bar_of(const training_progress& p) const {
  const std::string text = text_of(p);
  const int columns = std::clamp(columns_of_terminal(stderr) - columns_of(text) - 10, 0, 30);
  const double share = share_done(p);
  if (columns < 8) return fmt::format("{:3.0f}% {}", 100 * share, text);
  std::string rest;
  const int done = int(share * columns);
  for (int i = done + (look_ != look::ascii && share * columns > done); i < columns; ++i)
    rest += look_ == look::ascii ? "." : "·";
  return fmt::format("{}{} {:3.0f}%  {}", bar(look_ == look::ascii ? double(done) / columns : share, columns, look_),
                     dim(rest, look_), 100 * share, text);
}

void progress_line::show(const training_progress& p) {
  if (quiet_) return;
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", bar_of(p));
    std::fflush(stderr);
    shown_ = true;
    return;
  }
  if (!p.validated_now && !p.finished && p.seconds - last_line_ < seconds_between_lines) return;
  last_line_ = p.seconds;
  fmt::print(stderr, "{}\n", text_of(p));
}

void progress_line::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

}  // namespace qkv::cli
