// What two lists do not share, in words.
#pragma once
#include <string>
#include <vector>

namespace qkv::cli {

/// "1 new (a), 5 missing (b, c, d, ...)"; empty where both hold the same, in whatever order.
std::string differences_in_words(const std::vector<std::string>& before, const std::vector<std::string>& now);

/// "5 missing (b, c, d, ...)"; empty for none.
std::string listed(const std::vector<std::string>& all, const char* what);

}  // namespace qkv::cli
