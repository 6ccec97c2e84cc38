#include "apps/cli/curve_file.h"

#include "qkv/base/error.h"

namespace qkv::cli {

curve_file::curve_file(const std::string& path, bool append) : path_(path) {
  if (path_.empty()) return;
  file_.open(path_, append ? std::ios::app : std::ios::trunc);
  if (!file_) refuse_file(path_, "a file that can be written to", "that it cannot be opened");
}

void curve_file::add(const training_progress& p) {
  if (!path_.empty() && file_) file_ << to_json_line(p) << '\n' << std::flush;
}

void curve_file::close() {
  if (path_.empty()) return;
  file_.close();
  if (!file_)
    refuse_file(path_, "room for the whole learning curve", "that a line could not be written, as on a full disk");
}

}  // namespace qkv::cli
