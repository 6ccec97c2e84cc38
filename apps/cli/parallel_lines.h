// Texts and their translations from files: line n of one belongs to line n of the other.
#pragma once
#include <string>
#include <vector>

namespace qkv::cli {

struct train_flags;

struct parallel_lines {
  std::vector<std::string> source, target;
};
struct divided_lines {
  parallel_lines learn, held_out;
};

/// The lines of two files.   @param skip_bad  leave out pairs with an empty or a damaged line, and say how many, rather
/// than refuse them   @throws file_error that names the file and the line
parallel_lines read_pairs(const std::string& source, const std::string& target, bool skip_bad);

/// The pairs of one file: two fields with a tab between them a line, or, where the file's name ends in .jsonl, a JSON
/// object that has both texts.   @param skip_bad  as above   @throws file_error that names the file and the line
parallel_lines read_pairs_of_one_file(const std::string& path, const std::string& source_field,
                                      const std::string& target_field, bool skip_bad);

/// What is wrong with a line of text; empty where nothing is.
std::string fault_of(const std::string& line);
/// Says how many lines of a file are left out, on standard error, where any are.
void say_left_out(std::size_t skipped, std::size_t all, const std::string& path, const char* what = "lines");
/// All of a file.   @throws file_error
std::string bytes_of(const std::string& path);

/// What to learn from and what to validate on: the files given for it, or else one pair in fifty.
divided_lines read_parallel_lines(const train_flags& flags);

}  // namespace qkv::cli
