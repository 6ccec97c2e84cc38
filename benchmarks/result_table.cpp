#include "benchmarks/result_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "qkv/base/instruction_set.h"
#include "qkv/base/threads.h"

namespace qkv::benchmarks {
namespace {

constexpr int name_width = 54;
constexpr const char* missing = "–";

std::string shown(const nlohmann::ordered_json& figures, const column& c) {
  if (!figures.contains(c.key)) return missing;
  const auto& value = figures[c.key];
  return value.is_string() ? value.get<std::string>() : fmt::format("{:.{}f}{}", value.get<double>(), c.digits, c.unit);
}

int width_of(const column& c) { return std::max(9, int(c.title.size()) + 2); }

// More digits than a measurement has only make a file hard to read.
double rounded(double x) {
  if (x == 0 || !std::isfinite(x)) return 0;
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(x))) - 4);
  return std::round(x / unit) * unit;
}

}  // namespace

result_table::result_table(std::string name, std::string what, std::string command, std::vector<column> columns)
    : name_(std::move(name)), what_(std::move(what)), command_(std::move(command)), columns_(std::move(columns)) {}

void result_table::print_heading() const {
  fmt::print("\n{:<{}}", what_, name_width);
  for (const column& c : columns_) fmt::print("{:>{}}", c.title, width_of(c));
  fmt::print("\n");
}

void result_table::add(const std::string& name, const nlohmann::ordered_json& figures) {
  if (rows_.empty()) print_heading();
  fmt::print("{:<{}}", name, name_width);
  for (const column& c : columns_) fmt::print("{:>{}}", shown(figures, c), width_of(c));
  fmt::print("{}\n", figures.value("others", 0.0) > quiet_enough ? "  noisy" : "");
  std::fflush(stdout);
  nlohmann::ordered_json row{{"name", name}};
  for (const auto& [key, value] : figures.items()) {
    if (value.is_number())
      row[key] = nlohmann::ordered_json::parse(fmt::format("{:.6g}", rounded(value.get<double>())));
    else
      row[key] = value;
  }
  for (const column& c : columns_)
    if (!row.contains(c.key)) row[c.key] = missing;
  rows_.push_back(std::move(row));
}

void result_table::write(const std::filesystem::path& folder, bool noisy_too) const {
  nlohmann::ordered_json kept = nlohmann::ordered_json::array();
  for (const auto& row : rows_)
    if (noisy_too || row.value("others", 0.0) <= quiet_enough) kept.push_back(row);
  if (kept.empty()) return;
  const std::string set = name_of(active_instruction_set());
  nlohmann::ordered_json all{{"what", what_}, {"instruction_set", set}, {"threads", thread_count()}};
  all["command"] = fmt::format("QKV_ISA={} build/release/qkv_benchmark {}", set, command_);
  for (const column& c : columns_) {
    nlohmann::ordered_json described{{"key", c.key}, {"title", c.title}};
    if (c.digits) described["digits"] = c.digits;
    if (!c.unit.empty()) described["unit"] = c.unit;
    all["columns"].push_back(described);
  }
  all["rows"] = std::move(kept);
  const auto path = folder / fmt::format("{}_{}.json", name_, set);
  std::ofstream file(path);
  file << all.dump(1) << '\n';
  if (!file.flush()) throw std::runtime_error(path.string() + ": cannot be written");
}

}  // namespace qkv::benchmarks
