#include "apps/cli/metrics_file.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "qkv/base/error.h"
#include "qkv/io/text_file.h"

namespace qkv::cli {
namespace {

using nlohmann::json;

json parsed(const std::string& line) { return json::parse(line, nullptr, /*allow_exceptions=*/false); }

bool is_report(const json& line) { return line.is_object() && line.contains("step") && line["step"].is_number(); }

std::string lines_up_to(const std::filesystem::path& path, long step) {
  std::ifstream in(path);
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    const json report = parsed(line);
    if (is_report(report) && report["step"] <= step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

metrics_file::metrics_file(std::filesystem::path path, long resumed_step) : path_(std::move(path)) {
  write_text(path_, resumed_step > 0 ? lines_up_to(path_, resumed_step) : "");
  file_.open(path_, std::ios::app);
  if (!file_) refuse_file(path_, "a file that can be written to", "that it cannot be opened");
}

void metrics_file::add(const training_progress& p) {
  if (file_) file_ << to_json_line(p) << '\n' << std::flush;
}

void metrics_file::close() {
  file_.close();
  if (!file_) refuse_file(path_, "room for the whole record", "that a line could not be written, as on a full disk");
}

loss_points read_loss_points(const std::filesystem::path& metrics) {
  std::ifstream in(metrics);
  loss_points points;
  for (std::string line; std::getline(in, line);) {
    const json report = parsed(line);
    if (!is_report(report)) continue;
    const double step = report["step"];
    const auto number = [&](const char* name) { return report.contains(name) && report[name].is_number(); };
    if (number("loss")) points.learned.emplace_back(step, report["loss"]);
    if (number("validation_loss")) points.validated.emplace_back(step, report["validation_loss"]);
  }
  return points;
}

}  // namespace qkv::cli
