// The program `qkv`: finds the command, runs it, and says in one sentence what went wrong.
#include <fmt/format.h>

#include <cstdio>

#include "apps/cli/command.h"
#include "apps/cli/version.h"
#include "qkv/base/error.h"

namespace qkv::cli {

using add_function = void(CLI::App& program);
// command_NAME.cpp defines add_NAME.
add_function add_train, add_generate, add_translate, add_complete, add_classify, add_evaluate, add_export, add_attend,
    add_explain, add_race, add_tokenize, add_inspect, add_info;

namespace {

enum exit_code { done = 0, failed = 1, misused = 2 };

// CLI11's errors in our words.
std::string sentence(const CLI::ParseError& error, const CLI::App& program, const std::string& first_argument) {
  const std::string message = error.what();
  if (program.get_subcommands().empty())
    return first_argument.empty()
               ? "expected a command"
               : (first_argument.front() == '-' ? "unknown argument " : "unknown command ") + first_argument;
  if (dynamic_cast<const CLI::ConfigError*>(&error)) {
    const std::size_t before = message.rfind("parse ");  // CLI11's words, then the option that there is not
    return "--config: expected options as --dump-config writes them; found " +
           (before == std::string::npos ? message : message.substr(before + 6));
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error))
    return "unknown argument " + message.substr(message.find(": ") + 2);
  return message;
}

const CLI::App& chosen(const CLI::App& program) {
  const auto commands = program.get_subcommands();
  return commands.empty() ? program : *commands.front();
}

std::string name_of(const CLI::App& program) {
  const CLI::App& command = chosen(program);
  return &command == &program ? "qkv" : "qkv " + command.get_name();
}

int complain(const std::string& who, const std::string& what, int code) {
  fmt::print(stderr, "{}: {}\n", who, what);
  return code;
}

int run(int argc, char** argv) {
  CLI::App program("qkv: attention computed, differentiated and explained, and small transformers built on it", "qkv");
  program.set_version_flag("--version", version_line(), "Print the version");
  program.require_subcommand(1);
  program.footer("Try:\n  qkv explain \"he likes school\"");
  for (add_function* add : {add_train, add_generate, add_translate, add_complete, add_classify, add_evaluate,
                            add_export, add_attend, add_explain, add_race, add_tokenize, add_inspect, add_info})
    add(program);
  try {
    program.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", program.help());  // of the command, where one was given, with "qkv" before its name
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
  } catch (const CLI::ParseError& error) {
    const std::string what = sentence(error, program, argc > 1 ? argv[1] : "");
    return complain(name_of(program), what + "; see " + name_of(program) + " --help", misused);
  } catch (const usage_error& error) {
    return complain(name_of(program), error.what(), misused);
  } catch (const std::bad_alloc&) {
    return complain(name_of(program), "expected enough memory; found none left (a smaller size needs less)", failed);
  } catch (const std::exception& error) { return complain(name_of(program), error.what(), failed); }
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return complain(name_of(program), "standard output: expected room for the result; found a full disk", failed);
  return done;
}

}  // namespace
}  // namespace qkv::cli

int main(int argc, char** argv) { return qkv::cli::run(argc, argv); }
