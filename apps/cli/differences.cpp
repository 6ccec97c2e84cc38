#include "apps/cli/differences.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace qkv::cli {
namespace {

using names = std::vector<std::string>;

names without(const names& all, names others) {
  std::ranges::sort(others);
  names rest;
  for (const std::string& one : all)
    if (!std::ranges::binary_search(others, one)) rest.push_back(one);
  return rest;
}

}  // namespace

std::string listed(const names& all, const char* what) {
  if (all.empty()) return "";
  constexpr std::size_t most = 3;
  const names first(all.begin(), all.begin() + std::ptrdiff_t(std::min(most, all.size())));
  return fmt::format("{} {} ({}{})", all.size(), what, fmt::join(first, ", "), all.size() > most ? ", ..." : "");
}

std::string differences_in_words(const names& before, const names& now) {
  const std::string more = listed(without(now, before), "new"), fewer = listed(without(before, now), "missing");
  return more + (more.empty() || fewer.empty() ? "" : ", ") + fewer;
}

}  // namespace qkv::cli
