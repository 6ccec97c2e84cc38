// How far long work has come: "120 of 3000 lines", on a terminal only.
#pragma once
#include <string>

#include "apps/cli/command.h"

namespace qkv::cli {

class counted_work {
 public:
  counted_work(const output_options& output, long all, std::string unit);
  ~counted_work();
  void show(long done);

 private:
  bool shows_, shown_ = false;
  long all_;
  std::string unit_;
};

}  // namespace qkv::cli
