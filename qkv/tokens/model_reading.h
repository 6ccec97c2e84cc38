// The model of a tokenizer.json, and what reading the file's other parts shares with it.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "qkv/tokens/tokenizer_parts.h"

namespace qkv::tokens::reading {

using nlohmann::json;

/// Throws file_error "tokenizer.json: expected ...; found ...".
[[noreturn]] void complain(const std::string& expected, const std::string& found);

/// A value for messages, shortened.
std::string shown(const json& value);

/// The "type" of a part, such as "pre_tokenizer".
std::string type_of(const json& part, const std::string& what);

std::string text_at(const json& object, const char* key, const std::string& what);
bool flag_at(const json& object, const char* key, bool otherwise);

/// @param of_bytes  whether tokens are named by the characters that stand for bytes
token_model read_model(const json& model, bool of_bytes);

}  // namespace qkv::tokens::reading
