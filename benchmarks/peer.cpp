#include "benchmarks/peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace qkv::benchmarks {
namespace {

using namespace std::chrono_literals;

// Threads of OpenMP spin for some milliseconds before they sleep; they must not disturb whose turn is next.
constexpr auto spinning_time = 20ms;

// The script lies in the project: above the program, or above where we are.
std::string script_path() {
  namespace fs = std::filesystem;
  std::error_code none;
  for (const fs::path& start : {fs::read_symlink("/proc/self/exe", none), fs::current_path(none) / "here"}) {
    for (fs::path folder = start.parent_path(); !folder.empty(); folder = folder.parent_path()) {
      const fs::path script = folder / "benchmarks/peers/pytorch.py";
      if (fs::exists(script, none)) return script.string();
      if (folder == folder.parent_path()) break;
    }
  }
  throw std::runtime_error("benchmarks/peers/pytorch.py: not found above the program nor above this folder");
}

// `environment` is complete.  Descriptors below 0 leave what is there.
pid_t start(const std::vector<std::string>& words, const std::vector<std::string>& environment, int in, int out,
            bool silent) {
  const auto pointers = [](const std::vector<std::string>& all) {
    std::vector<char*> result;
    for (const std::string& one : all) result.push_back(const_cast<char*>(one.c_str()));
    result.push_back(nullptr);
    return result;
  };
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (in >= 0) posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  if (silent) posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t process = -1;
  const int problem =
      posix_spawnp(&process, words[0].c_str(), &actions, nullptr, pointers(words).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  return problem == 0 ? process : -1;
}

std::vector<std::string> environment_with(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** one = environ; *one; ++one) all.emplace_back(*one);
  return all;
}

}  // namespace

bool has_pytorch(const std::string& python) {
  const pid_t process =
      start({python, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"},
            environment_with({}), -1, -1, true);
  int status = 0;
  return process > 0 && waitpid(process, &status, 0) == process && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

peer::peer(const std::string& python, int threads, const std::vector<std::string>& environment) {
  int there[2], back[2];
  if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) throw std::runtime_error("no pipe to " + python);
  process_ = start({python, "-B", script_path(), std::to_string(threads)}, environment_with(environment), there[0],
                   back[1], false);
  close(there[0]), close(back[1]);
  to_ = fdopen(there[1], "w"), from_ = fdopen(back[0], "r");
  if (process_ < 0) throw std::runtime_error(python + ": cannot be started");
  const auto hello = ask({{"do", "hello"}});
  version_ = hello.at("version"), capability_ = hello.at("capability");
}

peer::~peer() {
  if (to_) std::fclose(to_);  // it ends when there are no more requests
  if (from_) std::fclose(from_);
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

nlohmann::json peer::ask(const nlohmann::json& request) {
  std::fputs((request.dump() + "\n").c_str(), to_);
  std::fflush(to_);
  char* line = nullptr;
  std::size_t room = 0;
  const ssize_t length = getline(&line, &room, from_);
  const std::unique_ptr<char, decltype(&std::free)> owner(line, std::free);
  if (length <= 0) throw std::runtime_error("PyTorch's process ended at the request " + request.dump());
  const auto answer = nlohmann::json::parse(line);
  if (answer.contains("complaint")) throw std::runtime_error("PyTorch: " + answer["complaint"].get<std::string>());
  std::this_thread::sleep_for(spinning_time);
  return answer;
}

void peer::prepare(const nlohmann::json& which) {
  nlohmann::json request = which;
  request["do"] = "prepare";
  ask(request);
}

double peer::run_trial() { return ask({{"do", "trial"}}).at("seconds"); }

}  // namespace qkv::benchmarks
