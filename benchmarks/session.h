// What all tables share: the options, the machine's peak, the peers, and the way of taking turns.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/peak.h"
#include "benchmarks/peer.h"
#include "benchmarks/result_table.h"
#include "benchmarks/stopwatch.h"

namespace qkv::benchmarks {

struct options {
  std::string filter;     ///< measure only rows whose table and name contain this
  std::string json;       ///< folder for the tables; empty: do not keep them
  std::string pytorch;    ///< a Python that has PyTorch; "none": do without; empty: python3 if it has
  std::string text;       ///< what to learn from, for the training curves
  bool quick = false;     ///< fewer rounds
  bool thorough = false;  ///< also what takes minutes
  double patience = 0;    ///< seconds to wait for a quiet machine, and to measure noisy rows again
};

/// Medians of seconds a call, in the order of the contestants.
struct turns {
  std::vector<double> seconds;
  double others = 0;  ///< cores used by other processes meanwhile
};

class session {
 public:
  explicit session(options o);

  const options& chosen() const { return options_; }
  peak_meter& peak() { return peak_; }

  /// PyTorch: first with the instruction set that we use, then, if that is not its default, as it comes.
  const std::vector<std::unique_ptr<peer>>& peers() const { return peers_; }
  /// Columns "pytorch" (ms), "ratio" and, with two peers, "ratio_default".
  std::vector<column> peer_columns() const;
  /// Their figures, from the turns of [ours, peers...].
  void add_peer_figures(nlohmann::ordered_json& row, const turns& t) const;
  /// Prepares a case in every peer; contestants to be added after ours.  A peer that cannot do it is left out, aloud.
  std::vector<trial> peer_trials(const nlohmann::json& which);

  /// Whether the row is wanted.
  bool wants(const std::string& table_name, const std::string& row);
  bool wanted_any() const { return wanted_any_; }

  /// All contestants, one trial each, then again, until there are rounds enough; the peak is probed between.  While the
  /// machine is noisy and patience lasts, all over again; the quietest counts.
  turns take_turns(std::vector<trial> contestants);

  void keep(const result_table& t) const;

 private:
  void wait_for_quiet();  ///< as long as patience lasts
  turns one_attempt(const std::vector<trial>& contestants);

  options options_;
  peak_meter peak_;
  std::vector<std::unique_ptr<peer>> peers_;
  double patience_left_;
  bool wanted_any_ = false;
};

}  // namespace qkv::benchmarks
