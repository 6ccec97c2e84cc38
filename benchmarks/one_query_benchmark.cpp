// One query against many keys, as in generating text: every key and value is read once, so memory sets the pace.
//
// Hot: the same keys again and again, from whatever cache holds them.  Cold: copies in turn, more than the caches hold.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/base/memory.h"

namespace qkv::benchmarks {
namespace {

constexpr attention_shape shape_of_decoding{.heads = 32, .key_heads = 8, .queries = 1};

// Eight times the last-level cache, if a twelfth of the memory is enough for it.
long copies_beyond_caches(double bytes_of_one) {
  const double cache = double(std::max(32l << 20, sysconf(_SC_LEVEL3_CACHE_SIZE)));
  const double memory = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGESIZE));
  return std::max(2l, long(std::min(8 * cache, memory / 12) / bytes_of_one));
}

// Keys and values of all copies side by side, so that the same memory can be read for comparison.
class copies {
 public:
  copies(long count, const attention_shape& s)
      : count_(count),
        floats_(s.keys * s.key_heads * s.width),
        memory_(allocate_memory(std::size_t(count * 2 * floats_) * sizeof(float))) {
    const tensor k = random_normal({floats_}, 2), v = random_normal({floats_}, 3);
    for (long n = 0; n < count; ++n) {
      std::memcpy(at(n), k.data<float>(), std::size_t(floats_) * sizeof(float));
      std::memcpy(at(n) + floats_, v.data<float>(), std::size_t(floats_) * sizeof(float));
    }
  }
  void next(attention_case& c) {
    const long n = turn_++ % count_;
    c.k = tensor::borrow(at(n), c.k.shape());
    c.v = tensor::borrow(at(n) + floats_, c.v.shape());
  }
  std::span<const std::byte> bytes(long n) const { return std::as_bytes(std::span(at(n), std::size_t(2 * floats_))); }
  long next_to_read() { return read_++ % count_; }

 private:
  float* at(long n) const { return reinterpret_cast<float*>(memory_.get()) + n * 2 * floats_; }

  long count_, floats_, turn_ = 0, read_ = 0;
  std::shared_ptr<std::byte[]> memory_;
};

}  // namespace

void measure_one_query(session& s) {
  std::vector<column> columns{{"ms", "ms", 3}, {"bandwidth", "GB/s", 1}, {"share", "of reading", 0, "%"}};
  for (column& c : s.peer_columns()) columns.push_back(std::move(c));
  columns.push_back(others_column);
  result_table t("one_query", "one query, 32 heads on 8, keys x D", "attention", columns);
  const attention_shape& shape = shape_of_decoding;
  const double bytes = 2.0 * 4 * double(shape.keys * shape.key_heads * shape.width);
  for (const bool cold : {false, true}) {
    const std::string name =
        fmt::format("{} x {}, {}", shape.keys, shape.width, cold ? "from memory" : "from the caches");
    if (!s.wants("one_query", name)) continue;
    const long count = cold ? copies_beyond_caches(bytes) : 1;
    copies all(count, shape);
    attention_case one(shape);
    std::vector<trial> contestants{trial_of([&] { all.next(one), one.forward(); })};
    for (trial& peer : s.peer_trials({{"case", "attention"},
                                      {"pass", "forward"},
                                      {"B", 1},
                                      {"H", shape.heads},
                                      {"G", shape.key_heads},
                                      {"T", 1},
                                      {"S", shape.keys},
                                      {"D", shape.width},
                                      {"causal", false},
                                      {"copies", count}}))
      contestants.push_back(std::move(peer));
    contestants.push_back(trial_of([&] { read_trial(all.bytes(all.next_to_read())); }));
    turns taken = s.take_turns(contestants);
    const double reading = taken.seconds.back();
    taken.seconds.pop_back();
    nlohmann::ordered_json row{{"ms", taken.seconds[0] * 1e3},
                               {"bandwidth", bytes / taken.seconds[0] * 1e-9},
                               {"share", 100 * reading / taken.seconds[0]}};
    s.add_peer_figures(row, taken);
    row["others"] = taken.others;
    t.add(name, row);
  }
  release_kept_memory();
  s.keep(t);
}

}  // namespace qkv::benchmarks
