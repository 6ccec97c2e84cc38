#include "qkv/base/error.h"

namespace qkv {

void refuse(const std::string& operation, const std::string& expected, const std::string& found) {
  throw shape_error(operation + ": expected " + expected + "; found " + found);
}

void refuse_file(const std::filesystem::path& path, const std::string& expected, const std::string& found) {
  throw file_error(path.string() + ": expected " + expected + "; found " + found);
}

}  // namespace qkv
