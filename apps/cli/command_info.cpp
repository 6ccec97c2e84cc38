// qkv info: which qkv this is and what it runs on.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/version.h"
#include "qkv/base/instruction_set.h"
#include "qkv/base/threads.h"

namespace qkv::cli {
namespace {

void run_info(const output_options& output) {
  const std::string in_use = name_of(active_instruction_set()), widest = name_of(widest_instruction_set());
  const int threads = thread_count();  // says that QKV_THREADS is wrong before anything is printed
  if (output.json) {
    const nlohmann::ordered_json result{{"version", version()},      {"commit", commit()},
                                        {"instruction_set", in_use}, {"widest_instruction_set", widest},
                                        {"threads", threads},        {"available_memory_bytes", available_memory()}};
    return fmt::print("{}\n", result.dump(2));
  }
  if (output.quiet) return fmt::print("{}\n", version());
  fmt::print("version          {}\n", version());
  if (!commit().empty()) fmt::print("commit           {}\n", commit());
  fmt::print("instruction set  {}{}\n", in_use,
             in_use == widest ? " (QKV_ISA=portable|avx2|avx512 lowers it)" : " (this machine has " + widest + ")");
  fmt::print("threads          {} (QKV_THREADS changes it)\n", threads);
  fmt::print("memory           {} available\n", in_bytes(available_memory()));
}

}  // namespace

void add_info(CLI::App& program) {
  CLI::App& command = add_command(program, "info", "Say which qkv this is, and the instruction set and threads it uses",
                                  "qkv info --json");
  const auto output = std::make_shared<output_options>();
  output->add_quiet(command);
  output->add_json(command);
  command.callback([output] { run_info(*output); });
}

}  // namespace qkv::cli
