#include "apps/cli/version.h"

namespace qkv::cli {

std::string version() { return QKV_VERSION; }

std::string commit() { return QKV_COMMIT; }

std::string version_line() { return "qkv " + version() + (commit().empty() ? "" : " (commit " + commit() + ")"); }

}  // namespace qkv::cli
