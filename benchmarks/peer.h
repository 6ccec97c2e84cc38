// A Python process that times PyTorch on request, so that both are measured in the same minute, turn by turn.
#pragma once
#include <sys/types.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace qkv::benchmarks {

class peer {
 public:
  /// Starts benchmarks/peers/pytorch.py.  `environment`: NAME=VALUE, added to this process's.
  /// @throws std::runtime_error in one sentence, when it does not start
  peer(const std::string& python, int threads, const std::vector<std::string>& environment);
  ~peer();
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;

  pid_t process() const { return process_; }
  const std::string& version() const { return version_; }        ///< of PyTorch, as "2.13.0"
  const std::string& capability() const { return capability_; }  ///< the instruction set it uses, as "AVX2"

  /// One request of peers/pytorch.py, and its answer.   @throws std::runtime_error with the peer's own complaint
  nlohmann::json ask(const nlohmann::json& request);

  /// Prepares a case ("case" names it), for trials to run.
  void prepare(const nlohmann::json& which);
  /// Seconds a call, of one trial of the case prepared last.
  double run_trial();

 private:
  pid_t process_ = -1;
  std::FILE *to_ = nullptr, *from_ = nullptr;
  std::string version_, capability_;
};

/// Whether this Python has PyTorch.
bool has_pytorch(const std::string& python);

}  // namespace qkv::benchmarks
