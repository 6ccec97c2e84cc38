#include "benchmarks/session.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "qkv/base/threads.h"

namespace qkv::benchmarks {
namespace {

std::string python_with_pytorch(const std::string& wanted) {
  if (wanted == "none") return "";
  if (!wanted.empty()) {
    if (has_pytorch(wanted)) return wanted;
    throw std::runtime_error(
        fmt::format("--pytorch: expected a Python that has PyTorch, or none; found \"{}\"", wanted));
  }
  if (has_pytorch("python3")) return "python3";
  fmt::print("PyTorch is not installed; its columns stay empty (QKV_PYTORCH=PYTHON names a Python that has it)\n");
  return "";
}

// What keeps PyTorch, and the libraries under it, to a set.
std::vector<std::string> held_to(instruction_set set) {
  if (set == instruction_set::avx512) return {};
  const bool avx2 = set == instruction_set::avx2;
  return {fmt::format("ATEN_CPU_CAPABILITY={}", avx2 ? "avx2" : "default"),
          fmt::format("MKL_ENABLE_INSTRUCTIONS={}", avx2 ? "AVX2" : "SSE4_2"),
          fmt::format("ONEDNN_MAX_CPU_ISA={}", avx2 ? "AVX2" : "SSE41")};
}

}  // namespace

session::session(options o) : options_(std::move(o)), patience_left_(options_.patience) {
  if (!options_.json.empty()) std::filesystem::create_directories(options_.json);
  const instruction_set ours = active_instruction_set();
  const std::string python = python_with_pytorch(options_.pytorch);
  if (!python.empty()) {
    peers_.push_back(std::make_unique<peer>(python, thread_count(), held_to(ours)));
    if (ours != widest_instruction_set()) {
      peers_.push_back(std::make_unique<peer>(python, thread_count(), std::vector<std::string>{}));
    }
  }
  for (int n = 0; n < 20; ++n) peak_.probe();
  fmt::print("instruction set {}, {} threads, peak {:.0f} GFLOP/s of multiply-adds (best of interleaved trials)\n",
             name_of(ours), thread_count(), peak_.gflops());
  for (const auto& one : peers_) fmt::print("PyTorch {}, {}\n", one->version(), one->capability());
}

std::vector<column> session::peer_columns() const {
  if (peers_.empty()) return {};
  std::vector<column> columns{{"pytorch", fmt::format("PyTorch {} ms", peers_[0]->version()), 2},
                              {"ratio", "times PyTorch " + peers_[0]->capability(), 2}};
  if (peers_.size() > 1) columns.push_back({"ratio_default", "times PyTorch " + peers_[1]->capability(), 2});
  return columns;
}

void session::add_peer_figures(nlohmann::ordered_json& row, const turns& t) const {
  if (t.seconds.size() < 2) return;
  row["pytorch"] = t.seconds[1] * 1e3;
  row["ratio"] = t.seconds[1] / t.seconds[0];
  if (t.seconds.size() > 2) row["ratio_default"] = t.seconds[2] / t.seconds[0];
}

std::vector<trial> session::peer_trials(const nlohmann::json& which) {
  std::vector<trial> trials;
  try {
    for (const auto& one : peers_) {
      one->prepare(which);
      trials.push_back([p = one.get()] { return p->run_trial(); });
    }
  } catch (const std::exception& problem) {
    fmt::print("{}\n", problem.what());
    trials.clear();
  }
  return trials;
}

bool session::wants(const std::string& table_name, const std::string& row) {
  const bool yes = (table_name + ": " + row).find(options_.filter) != std::string::npos;
  wanted_any_ |= yes;
  return yes;
}

void session::wait_for_quiet() {
  while (patience_left_ > 0) {
    const double start = seconds_now();
    const load_meter load({});
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    if (load.others() <= quiet_enough) return;
    patience_left_ -= seconds_now() - start;
  }
}

turns session::take_turns(std::vector<trial> contestants) {
  wait_for_quiet();
  turns best = one_attempt(contestants);
  while (best.others > quiet_enough && patience_left_ > 0) {
    wait_for_quiet();
    const double start = seconds_now();
    turns again = one_attempt(contestants);
    patience_left_ -= seconds_now() - start;
    if (again.others < best.others) best = std::move(again);
  }
  return best;
}

turns session::one_attempt(const std::vector<trial>& contestants) {
  const double enough_seconds = options_.quick ? 0.4 : 1.5;
  const int fewest = options_.quick ? 1 : 3, most = 25;
  for (const trial& one : contestants) one();
  std::vector<pid_t> children;
  for (const auto& one : peers_) children.push_back(one->process());
  const load_meter load(children);
  std::vector<std::vector<double>> seconds(contestants.size());
  const double start = seconds_now();
  for (int round = 0; round < most && (round < fewest || seconds_now() - start < enough_seconds); ++round) {
    for (std::size_t i = 0; i < contestants.size(); ++i) seconds[i].push_back(contestants[i]());
    peak_.probe();
  }
  turns result;
  for (const auto& one : seconds) result.seconds.push_back(median(one));
  result.others = load.others();
  return result;
}

void session::keep(const result_table& t) const {
  if (!options_.json.empty()) t.write(options_.json, options_.patience == 0);
}

}  // namespace qkv::benchmarks
