#include "qkv/io/labelled_files.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "qkv/base/error.h"

namespace qkv {
namespace {

namespace fs = std::filesystem;

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 'a' - 'A') : c; });
  return text;
}

std::optional<long> number_in(std::string_view text) {
  long number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Numbers by their value and before words.
bool before(const std::string& a, const std::string& b) {
  const auto x = number_in(a), y = number_in(b);
  if (x && y && *x != *y) return *x < *y;
  if (x.has_value() != y.has_value()) return x.has_value();
  return a < b;
}

/// What stands behind the last underscore, if it is a number.
std::optional<long> take_of(const fs::path& path) {
  const std::string stem = path.stem().string();
  const std::size_t underscore = stem.rfind('_');
  return underscore == std::string::npos ? std::nullopt : number_in(std::string_view(stem).substr(underscore + 1));
}

}  // namespace

labelled_files labelled_files_in(const fs::path& folder, std::span<const std::string> endings) {
  std::string listed;
  for (const std::string& ending : endings) listed += (listed.empty() ? "" : ", ") + ending;
  const std::string expected = "a folder with files of at least two classes (" + listed +
                               "), each in its class's folder or named CLASS_anything";
  std::error_code problem;
  if (!fs::is_directory(folder, problem))
    refuse_file(folder, expected, fs::exists(folder, problem) ? "a file" : "no folder of that name");
  std::map<std::string, std::vector<fs::path>, decltype(&before)> of_class(&before);
  const auto wanted = [&](const fs::path& path) {
    return std::ranges::find(endings, lower_case(path.extension().string())) != endings.end();
  };
  try {
    std::vector<fs::path> loose;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.is_regular_file() && wanted(entry.path())) loose.push_back(entry.path());
      if (!entry.is_directory()) continue;
      for (const auto& inner : fs::recursive_directory_iterator(entry.path()))
        if (inner.is_regular_file() && wanted(inner.path()))
          of_class[entry.path().filename().string()].push_back(inner.path());
    }
    if (of_class.empty())
      for (const fs::path& path : loose) {
        const std::string name = path.stem().string();
        const std::size_t underscore = name.find('_');
        if (underscore == std::string::npos || underscore == 0)
          refuse_file(folder, expected, path.filename().string() + ", whose name does not say its class");
        of_class[name.substr(0, underscore)].push_back(path);
      }
  } catch (const fs::filesystem_error& error) {
    refuse_file(folder, expected, "that it cannot be read (" + error.code().message() + ")");
  }
  if (of_class.size() < 2) refuse_file(folder, expected, std::to_string(of_class.size()) + " of them");

  bool takes = true;
  for (auto& [name, paths] : of_class) {
    std::ranges::sort(paths);
    takes = takes && std::ranges::all_of(paths, [](const fs::path& path) { return take_of(path).has_value(); });
  }
  labelled_files all;
  for (const auto& [name, paths] : of_class) {
    const auto target = std::int32_t(all.classes.size());
    all.classes.push_back(name);
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const bool held_out = takes ? *take_of(paths[i]) < 5 : i % 10 == 9;
      (held_out ? all.test : all.learn).push_back({paths[i], target});
    }
  }
  if (all.learn.empty()) refuse_file(folder, expected, "takes 0 to 4 only, which are held out");
  return all;
}

}  // namespace qkv
