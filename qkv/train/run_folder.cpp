#include "qkv/train/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "qkv/base/error.h"
#include "qkv/io/checksum.h"
#include "qkv/io/text_file.h"

namespace qkv {
namespace {

namespace fs = std::filesystem;

constexpr auto step_prefix = "step-", unfinished_prefix = "unfinished-", manifest_name = "manifest.json";
constexpr auto aside_prefix = "aside-";  // a checkpoint while a new one of the same step takes its name
constexpr auto lock_name = "lock";

std::string system_message() { return std::generic_category().message(errno); }

/// Makes the names inside a folder outlast a power cut.
void synchronize(const fs::path& folder) {
  const file_descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open() || fsync(opened.number()) != 0)
    refuse_file(folder, "a folder that can be made durable", system_message());
}

void write_manifest(const stored_step& stored) {
  nlohmann::ordered_json manifest{{"format", "qkv checkpoint 1"}, {"step", stored.step}, {"validation_loss", nullptr}};
  if (!std::isnan(stored.validation_loss)) manifest["validation_loss"] = stored.validation_loss;
  const file_checksum sum = checksum_of(stored.model());
  manifest["files"][stored.model().filename().string()] = {{"size", sum.size},
                                                           {"crc32", fmt::format("{:08x}", sum.crc32)}};
  write_text(stored.folder / manifest_name, manifest.dump(1) + "\n");
}

/// The checkpoint in a folder, if its manifest is there and bears its files out.
std::optional<stored_step> read_step(const fs::path& folder) try {
  std::ifstream in(folder / manifest_name);
  const auto manifest = nlohmann::json::parse(in);
  for (const auto& [name, expected] : manifest.at("files").items()) {
    const file_checksum sum = checksum_of(folder / name);
    if (expected.at("size") != sum.size || expected.at("crc32") != fmt::format("{:08x}", sum.crc32)) return {};
  }
  const auto& loss = manifest.at("validation_loss");
  return stored_step{manifest.at("step"), loss.is_null() ? std::numeric_limits<double>::quiet_NaN() : loss.get<double>(),
                     folder};
} catch (const std::exception&) { return {}; }

/// Whether it is a folder that a run made: the prefix, then eight digits or more.
bool is_numbered(const fs::path& path, const std::string& prefix) {
  const std::string name = path.filename().string();
  return name.starts_with(prefix) && name.size() >= prefix.size() + 8 &&
         name.find_first_not_of("0123456789", prefix.size()) == std::string::npos && fs::is_directory(path);
}

/// A folder that holds files but none of a run's is somebody else's.
void check_is_ours(const fs::path& path) {
  bool any = false;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().filename() == lock_name || is_numbered(entry.path(), step_prefix)) return;
    any = true;
  }
  if (any) refuse_file(path, "an empty folder, a new one or that of a training run", "a folder of other files");
}

file_descriptor locked(const fs::path& path) {
  file_descriptor lock(open((path / lock_name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!lock.is_open()) refuse_file(path, "a folder that can be written to", system_message());
  if (flock(lock.number(), LOCK_EX | LOCK_NB) != 0)
    refuse_file(path, "a folder that no other run is writing to", "one that is locked by a run that still goes on");
  return lock;
}

fs::path made(fs::path path) {
  if (path.empty()) throw file_error("expected the name of a folder for the run; found an empty one");
  std::error_code problem;
  if (fs::exists(path) && !fs::is_directory(path)) refuse_file(path, "a folder for the run", "a file");
  const fs::path parent = path.has_parent_path() ? path.parent_path() : ".";
  if (!fs::is_directory(parent)) refuse_file(path, "a folder to make it in", "no " + parent.string());
  fs::create_directory(path, problem);
  if (problem) refuse_file(path, "a folder that can be made", problem.message());
  check_is_ours(path);
  return path;
}

/// Ends what an interrupted save began: a checkpoint that was put aside gets its name back where no valid one took it.
void tidy(const fs::path& run) {
  std::vector<fs::path> unfinished, aside;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (is_numbered(entry.path(), unfinished_prefix)) unfinished.push_back(entry.path());
    if (is_numbered(entry.path(), aside_prefix)) aside.push_back(entry.path());
  }
  for (const fs::path& path : unfinished) fs::remove_all(path);
  for (const fs::path& path : aside) {
    const fs::path name = run / (step_prefix + path.filename().string().substr(std::string(aside_prefix).size()));
    if (read_step(name)) {
      fs::remove_all(path);
    } else {
      fs::remove_all(name);
      fs::rename(path, name);
    }
  }
}

/// Gives a finished checkpoint its name.  Where it is taken, by one of the same step, that one stays until the new one
/// is there: at no moment there is neither.
void give_name(const fs::path& finished, const fs::path& name, const fs::path& aside) {
  if (!fs::exists(name)) return fs::rename(finished, name);
  fs::rename(name, aside);
  std::error_code problem;
  fs::rename(finished, name, problem);
  if (problem) {
    fs::rename(aside, name);
    throw fs::filesystem_error("rename", finished, name, problem);
  }
  synchronize(name.parent_path());
  fs::remove_all(aside);
}

/// The one that is best for use.
const stored_step& best_of(const std::vector<stored_step>& steps) {
  const auto loss = [](const stored_step& s) {
    return std::isnan(s.validation_loss) ? std::numeric_limits<double>::infinity() : s.validation_loss;
  };
  const auto best = std::ranges::min_element(steps, {}, loss);
  return std::isinf(loss(*best)) ? steps.back() : *best;
}

}  // namespace

std::vector<stored_step> valid_steps(const fs::path& run) {
  std::vector<stored_step> steps;
  if (!fs::is_directory(run)) return steps;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (!is_numbered(entry.path(), step_prefix)) continue;
    if (auto step = read_step(entry.path())) steps.push_back(std::move(*step));
  }
  std::ranges::sort(steps, {}, &stored_step::step);
  return steps;
}

fs::path model_file_at(const fs::path& file_or_run) {
  if (!fs::is_directory(file_or_run)) return file_or_run;
  const auto steps = valid_steps(file_or_run);
  if (steps.empty()) refuse_file(file_or_run, "a model's file or the folder of a training run", "no valid checkpoint in it");
  return best_of(steps).model();
}

run_folder::run_folder(fs::path path) : path_(made(std::move(path))), lock_(locked(path_)) { tidy(path_); }

run_folder::~run_folder() {
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(path_, problem))
    if (entry.path().filename() != lock_name) return;
  fs::remove(path_ / lock_name, problem);
  fs::remove(path_, problem);
}

std::optional<stored_step> run_folder::newest() const {
  const auto steps = valid_steps(path_);
  if (steps.empty()) return {};
  return steps.back();
}

std::vector<std::string> run_folder::damaged_since_newest() const {
  const auto valid = newest();
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_))
    if (is_numbered(entry.path(), step_prefix) && (!valid || entry.path().filename() > valid->folder.filename()))
      names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

std::optional<stored_step> run_folder::best() const {
  const auto steps = valid_steps(path_);
  if (steps.empty()) return {};
  return best_of(steps);
}

void run_folder::begin_anew() {
  for (const auto& entry : fs::directory_iterator(path_))
    if (is_numbered(entry.path(), step_prefix)) replaced_.push_back(entry.path());
}

void run_folder::save(long step, double validation_loss, const std::function<void(const fs::path&)>& write) {
  const std::string name = fmt::format("{:08}", step);
  const stored_step temporary{step, validation_loss, path_ / (unfinished_prefix + name)};
  const fs::path final_name = path_ / (step_prefix + name);
  std::error_code problem;
  fs::remove_all(temporary.folder, problem);
  if (!fs::create_directory(temporary.folder, problem))
    refuse_file(path_, "a folder that can be written to", problem.message());
  try {
    write(temporary.model());
    write_manifest(temporary);
    synchronize(temporary.folder);
    give_name(temporary.folder, final_name, path_ / (aside_prefix + name));
    synchronize(path_);
  } catch (const fs::filesystem_error& error) {
    fs::remove_all(temporary.folder, problem);
    refuse_file(final_name, "to give the checkpoint its name", error.code().message());
  } catch (...) {
    fs::remove_all(temporary.folder, problem);
    throw;
  }
  forget_replaced(final_name);
  forget_old();
}

void run_folder::forget_replaced(const fs::path& saved) {
  for (const fs::path& old : replaced_)
    if (old != saved) fs::remove_all(old);
  replaced_.clear();
}

void run_folder::forget_old() const {
  const auto steps = valid_steps(path_);
  if (steps.size() <= 2) return;
  const fs::path best = best_of(steps).folder;
  for (std::size_t i = 0; i + 2 < steps.size(); ++i)
    if (steps[i].folder != best) fs::remove_all(steps[i].folder);
}

}  // namespace qkv
