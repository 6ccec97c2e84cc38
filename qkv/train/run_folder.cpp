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
constexpr auto lock_name = "lock", replaced_name = "replaced";
constexpr auto moving_name = "moving";  // what is on its way into the folder `replaced`, or back

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
  if (!manifest.at("files").contains("model.safetensors")) return {};
  for (const auto& [name, expected] : manifest.at("files").items()) {
    const file_checksum sum = checksum_of(folder / name);
    if (expected.at("size") != sum.size || expected.at("crc32") != fmt::format("{:08x}", sum.crc32)) return {};
  }
  const auto& loss = manifest.at("validation_loss");
  const double measured = loss.is_null() ? std::numeric_limits<double>::quiet_NaN() : loss.get<double>();
  return stored_step{manifest.at("step"), measured, folder};
} catch (const std::exception&) { return {}; }

/// Whether it is a folder that a run made: the prefix, then eight digits or more.
bool is_numbered(const fs::path& path, const std::string& prefix) {
  const std::string name = path.filename().string();
  return name.starts_with(prefix) && name.size() >= prefix.size() + 8 &&
         name.find_first_not_of("0123456789", prefix.size()) == std::string::npos && fs::is_directory(path);
}

/// The step that such a folder's name tells.
long step_named(const fs::path& path) {
  const std::string name = path.filename().string();
  return std::strtol(name.c_str() + name.find('-') + 1, nullptr, 10);
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

fs::path made(fs::path path, bool& is_new) {
  if (path.empty()) throw file_error("expected the name of a folder for the run; found an empty one");
  std::error_code problem;
  if (fs::exists(path) && !fs::is_directory(path)) refuse_file(path, "a folder for the run", "a file");
  const fs::path parent = path.has_parent_path() ? path.parent_path() : ".";
  if (!fs::is_directory(parent)) refuse_file(path, "a folder to make it in", "no " + parent.string());
  is_new = fs::create_directory(path, problem);
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
  if (!aside.empty()) synchronize(run);
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

/// The checkpoints in the folder itself.  One that was put aside counts while none has taken its name.
std::vector<stored_step> steps_in(const fs::path& run) {
  std::vector<stored_step> steps, aside;
  if (!fs::is_directory(run)) return steps;
  for (const auto& entry : fs::directory_iterator(run)) {
    const bool is_aside = is_numbered(entry.path(), aside_prefix);
    if (!is_aside && !is_numbered(entry.path(), step_prefix)) continue;
    if (auto step = read_step(entry.path())) (is_aside ? aside : steps).push_back(std::move(*step));
  }
  for (stored_step& step : aside)
    if (std::ranges::find(steps, step.step, &stored_step::step) == steps.end()) steps.push_back(std::move(step));
  std::ranges::sort(steps, {}, &stored_step::step);
  return steps;
}

bool holds_checkpoints(const fs::path& folder) {
  if (!fs::is_directory(folder)) return false;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_numbered(entry.path(), step_prefix)) return true;
  return false;
}

/// Everything in the folder `moving` comes back to its place.
void move_back(const fs::path& run) {
  const fs::path moving = run / moving_name;
  if (fs::is_directory(moving) && fs::is_empty(moving)) fs::remove(moving);
  if (!holds_checkpoints(moving)) return;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(moving)) entries.push_back(entry.path());
  // Files before checkpoints: should this be interrupted, it is known by these that there is more to come.
  std::ranges::stable_partition(entries, [](const fs::path& path) { return !is_numbered(path, step_prefix); });
  for (const fs::path& entry : entries) {
    fs::remove_all(run / entry.filename());
    fs::rename(entry, run / entry.filename());
  }
  fs::remove(moving);
  synchronize(run);
}

/// A run that another was to replace goes where that one has a checkpoint; else it comes back, as if nothing had been.
void settle_replaced(const fs::path& run) {
  move_back(run);
  const fs::path old = run / replaced_name;
  if (!holds_checkpoints(old)) return;  // none, or somebody else's
  if (!steps_in(run).empty()) return void(fs::remove_all(old));
  fs::rename(old, run / moving_name);
  move_back(run);
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
  std::vector<stored_step> steps = steps_in(run);
  for (const char* aside : {replaced_name, moving_name})
    if (steps.empty()) steps = steps_in(run / aside);
  return steps;
}

fs::path model_file_at(const fs::path& file_or_run) {
  if (!fs::is_directory(file_or_run)) return file_or_run;
  const auto steps = valid_steps(file_or_run);
  if (steps.empty())
    refuse_file(file_or_run, "a model's file or the folder of a training run", "no valid checkpoint in it");
  return best_of(steps).model();
}

run_folder::run_folder(fs::path path) : path_(made(std::move(path), is_new_)), lock_(locked(path_)) {
  tidy(path_);
  settle_replaced(path_);
}

run_folder::~run_folder() try {
  if (replaces_) settle_replaced(path_);
  for (const auto& entry : fs::directory_iterator(path_))
    if (entry.path().filename() != lock_name) return;
  fs::remove(path_ / lock_name);
  if (is_new_) fs::remove(path_);
} catch (const std::exception&) {}  // the next run that opens the folder tidies it

std::optional<stored_step> run_folder::newest() const {
  const auto steps = steps_in(path_);
  if (steps.empty()) return {};
  return steps.back();
}

std::vector<std::string> run_folder::damaged_since_newest() const {
  const auto valid = newest();
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_))
    if (is_numbered(entry.path(), step_prefix) && (!valid || step_named(entry.path()) > valid->step))
      names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

std::optional<stored_step> run_folder::best() const {
  const auto steps = steps_in(path_);
  if (steps.empty()) return {};
  return best_of(steps);
}

void run_folder::begin_anew(std::initializer_list<const char*> files) {
  std::vector<fs::path> replaced;
  for (const auto& entry : fs::directory_iterator(path_))
    if (is_numbered(entry.path(), step_prefix)) replaced.push_back(entry.path());
  if (replaced.empty()) return;
  for (const char* name : files)
    if (fs::exists(path_ / name)) replaced.push_back(path_ / name);
  const fs::path moving = path_ / moving_name;
  std::error_code problem;
  if (!fs::create_directory(moving, problem))
    refuse_file(moving, "a name for the run that is replaced", problem ? problem.message() : "a folder of that name");
  for (const fs::path& path : replaced) fs::rename(path, moving / path.filename());
  fs::rename(moving, path_ / replaced_name);  // all of it or nothing
  synchronize(path_);
  replaces_ = true;
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
  try {
    if (replaces_) settle_replaced(path_);
    replaces_ = false;
    forget_old();
  } catch (const fs::filesystem_error& error) {
    refuse_file(path_, "to forget earlier checkpoints", error.code().message());
  }
}

void run_folder::forget_old() const {
  const auto steps = steps_in(path_);
  if (steps.size() <= 2) return;
  const fs::path best = best_of(steps).folder;
  for (std::size_t i = 0; i + 2 < steps.size(); ++i)
    if (steps[i].folder != best) fs::remove_all(steps[i].folder);
}

}  // namespace qkv
