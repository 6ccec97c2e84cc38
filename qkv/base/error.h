// Errors: every message says the operation, what was expected, what was found and, where it helps, what to do.
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>

namespace qkv {

/// Arguments whose shapes, strides or values do not fit together.
struct shape_error : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// A file that is missing, unreadable, unwritable, cut short or not what it should be.
struct file_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Something that qkv knows by name and does not do here.  It is never replaced in silence by something slower.
struct unsupported_error : std::logic_error {
  using std::logic_error::logic_error;
};

/// Throws shape_error "operation: expected ...; found ...".
[[noreturn]] void refuse(const std::string& operation, const std::string& expected, const std::string& found);

/// Throws file_error "path: expected ...; found ...".
[[noreturn]] void refuse_file(const std::filesystem::path& path, const std::string& expected, const std::string& found);

}  // namespace qkv
