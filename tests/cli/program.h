// Runs the program as a user does: arguments in, standard output, standard error and exit code out.
#pragma once
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/io/temporary_folder.h"

namespace qkv {

struct finished {
  int code = -1;  ///< 128 + the signal's number where one ended it
  std::string out, err;
};

/// A started program; its output goes to files in a folder of its own.
class running_program {
 public:
  /// `prepare` runs in the new process, before the program does.
  explicit running_program(std::vector<std::string> arguments, const std::function<void()>& prepare = {},
                           const std::string& out = "") {
    arguments.insert(arguments.begin(), QKV_PROGRAM);
    const std::string out_path = out.empty() ? (folder_ / "out").string() : out, err_path = (folder_ / "err").string();
    child_ = ::fork();
    if (child_ != 0) return;
    ::close(0);
    ::open("/dev/null", O_RDONLY);
    ::close(1);
    ::open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::close(2);
    ::open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (prepare) prepare();
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    ::execv(QKV_PROGRAM, pointers.data());
    ::_exit(127);
  }
  ~running_program() {
    if (child_ > 0) ::kill(child_, SIGKILL), ::waitpid(child_, nullptr, 0);
  }

  std::string err() const { return bytes_of_file(folder_ / "err"); }
  std::string out() const { return bytes_of_file(folder_ / "out"); }
  void interrupt() const { ::kill(child_, SIGINT); }
  void kill() const { ::kill(child_, SIGKILL); }

  finished wait() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out(), err()};
  }

 private:
  temporary_folder folder_;
  pid_t child_ = -1;
};

inline finished qkv_program(std::vector<std::string> arguments) { return running_program(std::move(arguments)).wait(); }

/// What texts are cut into, with the greatest vocabulary where one is learned.
inline std::vector<std::string> with_vocabulary(std::vector<std::string> arguments, const std::string& kind,
                                                const std::string& vocabulary, const std::string& option = "--tokens") {
  arguments.insert(arguments.end(), {option, kind});
  if (kind != "characters" && kind != "bytes") arguments.insert(arguments.end(), {"--vocabulary", vocabulary});
  return arguments;
}

/// The JSON that a command prints, which must succeed.
inline nlohmann::json json_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const finished done = qkv_program(std::move(arguments));
  EXPECT_EQ(done.code, 0) << done.err;
  return nlohmann::json::parse(done.out, nullptr, false);
}

/// The command fails, prints nothing on standard output, and says one sentence that has `part` in it.
inline void expect_refusal(std::vector<std::string> arguments, const std::string& part) {
  std::string command = "qkv";
  for (const std::string& argument : arguments) command += " " + argument;
  SCOPED_TRACE(command);
  const finished done = qkv_program(std::move(arguments));
  EXPECT_TRUE(done.code == 1 || done.code == 2) << done.code;
  EXPECT_THAT(done.err, testing::HasSubstr(part));
  EXPECT_THAT(done.err, testing::StartsWith("qkv"));
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  EXPECT_EQ(done.out, "");
}

}  // namespace qkv
