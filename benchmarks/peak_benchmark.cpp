// What the machine can do: multiply-adds of each instruction set on one thread and on all, and reading from memory.
#include <fmt/format.h>

#include "benchmarks/tables.h"
#include "qkv/base/memory.h"
#include "qkv/base/threads.h"

namespace qkv::benchmarks {
namespace {

constexpr std::size_t large = std::size_t(1) << 30;  // far beyond what the caches hold for one program

double best_of(int trials, auto&& once) {
  double best = 0;
  for (int n = 0; n < trials; ++n) best = std::max(best, once());
  return best;
}

nlohmann::ordered_json rates(session& s, auto&& once) {
  const int all = thread_count(), trials = s.chosen().quick ? 5 : 25;
  nlohmann::ordered_json row;
  const load_meter load({});
  row["all"] = best_of(trials, once);
  set_thread_count(1);
  row["one"] = best_of(trials, once);
  set_thread_count(all);
  row["others"] = load.others();
  return row;
}

}  // namespace

void measure_peak(session& s) {
  result_table t("peak", "most that the machine does", "peak",
                 {{"one", "one thread", 0}, {"all", fmt::format("{} threads", thread_count()), 0}, others_column});
  for (const instruction_set set : {instruction_set::portable, instruction_set::avx2, instruction_set::avx512}) {
    const std::string name = fmt::format("multiply-adds, {}, GFLOP/s", name_of(set));
    if (set > widest_instruction_set() || !s.wants("peak", name)) continue;
    t.add(name, rates(s, [&] { return multiply_add_trial(set); }));
  }
  if (const std::string name = "reading 1 GiB, GB/s"; s.wants("peak", name)) {
    const auto memory = allocate_memory(large);
    std::fill_n(memory.get(), large, std::byte{1});
    t.add(name, rates(s, [&] { return read_trial({memory.get(), large}); }));
  }
  release_kept_memory();
  s.keep(t);
}

}  // namespace qkv::benchmarks
