// Files whose place or name says what they show: a folder for each class, or CLASS_anything as a name.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace qkv {

struct labelled_files {
  std::vector<std::string> classes;  ///< in order; numbers by their value
  struct file {
    std::filesystem::path path;
    std::int32_t target;  ///< its class
  };
  std::vector<file> learn, test;
};

/// The files of a folder that end as one of `endings` (".wav", ...; upper case too).  Where the folder has folders,
/// these are the classes, with all that is in them; otherwise what stands before the first underscore of a file's name
/// is. Held out for the test: takes 0 to 4 where every name ends in _NUMBER (as the Free Spoken Digit Dataset has it),
/// otherwise every tenth file of a class.
/// @throws file_error "digits: expected a folder with files of at least two classes (...); found ..."
labelled_files labelled_files_in(const std::filesystem::path& folder, std::span<const std::string> endings);

}  // namespace qkv
