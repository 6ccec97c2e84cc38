// Compressed files (RFC 1952), as data sets often come.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "qkv/io/input_file.h"

namespace qkv {

/// Whether bytes begin as a gzip file does.
bool is_gzip(std::string_view bytes);

/// What was compressed: all members one after the other, their checksums compared.
/// @param file  whose bytes these are, for errors
/// @param largest  refuses more bytes than that, before they take memory
/// @throws file_error "x.gz: expected ...; found compressed data that is cut short" (or damaged, or more than expected)
std::string gunzipped(std::string_view bytes, const input_file& file, std::size_t largest);

}  // namespace qkv
