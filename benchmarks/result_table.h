// A table of measurements: printed row by row, and kept as results/README.md says.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace qkv::benchmarks {

struct column {
  std::string key, title;
  int digits = 0;
  std::string unit = {};
};

class result_table {
 public:
  /// @param name  of the file: NAME_SET.json, SET being the instruction set in use
  /// @param what  title of the column of names
  /// @param command  what anyone types to measure it again, without the program's path
  result_table(std::string name, std::string what, std::string command, std::vector<column> columns);

  /// A row: its name, and a number or a word for each column that it has.  Prints it, the first one under a heading.
  void add(const std::string& name, const nlohmann::ordered_json& figures);

  /// Writes the file, if there is any row; noisy ones only where wanted.   @throws std::runtime_error when it cannot
  void write(const std::filesystem::path& folder, bool noisy_too) const;

 private:
  void print_heading() const;

  std::string name_, what_, command_;
  std::vector<column> columns_;
  std::vector<nlohmann::ordered_json> rows_;
};

/// Rows on which other processes used more cores than this are marked: they are worth little.
inline constexpr double quiet_enough = 0.1;
inline const column others_column{"others", "others", 2};

}  // namespace qkv::benchmarks
