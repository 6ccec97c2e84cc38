// A long run takes no more memory than a short one.
#include <fstream>

#include "qkv/base/memory.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"
#include "tests/base/with_threads.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

/// Bytes of this process in memory; 0 where the system does not say.
long resident_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;)
    if (long kib = 0; word == "VmRSS:" && file >> kib) return kib * 1024;
  return 0;
}

TEST(LongRun, TakesNoMoreMemoryAfterTenThousandStepsThanAfterAHundred) {
  const with_threads as_before;
  set_thread_count(1);
  const auto text = text_with_a_rule(2000);
  const decoder model({.vocabulary = 8, .context = 8, .layers = 1, .heads = 2, .width = 8, .dropout = 0.1}, 1);
  auto options = quick_options(10000);
  options.batch = 1;
  options.average = 0.99;
  options.validate_every = options.checkpoint_every = 100;
  const language_modelling task(model, text, options);
  trainer run(task, options);
  memory_statistics early{};
  long resident_early = 0, checkpoints = 0;
  run.on_checkpoint = [&](const training_progress& p) {
    ++checkpoints;
    if (p.step > 100) return;
    reset_memory_peak();
    early = memory_in_use();
    resident_early = resident_bytes();
  };
  run.train();
  EXPECT_EQ(checkpoints, 100);
  const auto late = memory_in_use();
  EXPECT_EQ(late.in_use, early.in_use);
  EXPECT_EQ(late.allocations, early.allocations) << "taken from the system";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // sanitizers keep what is given back
  EXPECT_LE(resident_bytes(), resident_early + (1 << 20)) << "a mebibyte for the allocator of small things";
#endif
}

}  // namespace
}  // namespace qkv
