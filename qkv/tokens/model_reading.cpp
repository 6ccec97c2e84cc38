#include "qkv/tokens/model_reading.h"

#include "qkv/base/error.h"

namespace qkv::tokens::reading {

void complain(const std::string& expected, const std::string& found) {
  throw file_error("tokenizer.json: expected " + expected + "; found " + found);
}

std::string shown(const json& value) {
  constexpr std::size_t longest = 80;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  return text.size() > longest ? text.substr(0, longest) + "..." : text;
}

std::string type_of(const json& part, const std::string& what) {
  if (!part.is_object() || !part.contains("type") || !part["type"].is_string())
    complain("a " + what + " with a type", shown(part));
  return part["type"];
}

std::string text_at(const json& object, const char* key, const std::string& what) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string())
    complain(what + " with a text for " + key, shown(object));
  return object[key];
}

bool flag_at(const json& object, const char* key, bool otherwise) {
  if (!object.contains(key)) return otherwise;
  if (!object[key].is_boolean()) complain(std::string(key) + " to be true or false", shown(object[key]));
  return object[key];
}

namespace {

vocabulary read_names(const json& model) {
  const json& ids = model.contains("vocab") ? model["vocab"] : json();
  if (!ids.is_object()) complain("a vocab of names with their ids", shown(ids));
  std::vector<std::string> names(ids.size());
  std::vector<bool> given(ids.size());
  for (const auto& [name, id] : ids.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= names.size() || given[id.get<std::size_t>()]) {
      complain("every id from 0 to " + std::to_string(names.size() - 1) + " once in the vocab",
               shown(id) + " for \"" + name + "\"");
    }
    names[id.get<std::size_t>()] = name;
    given[id.get<std::size_t>()] = true;
  }
  return vocabulary(std::move(names));
}

std::int32_t id_in(const vocabulary& names, const std::string& name, const char* what) {
  const auto id = names.find(name);
  if (!id) complain(std::string(what) + " in the vocab", "\"" + name + "\", which is not there");
  return *id;
}

merge read_merge(const json& entry, const vocabulary& names) {
  std::string left, right;
  if (entry.is_string()) {
    const std::string text = entry;
    const std::size_t space = text.find(' ');
    left = text.substr(0, space);
    if (space != std::string::npos) right = text.substr(space + 1);
  } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
    left = entry[0];
    right = entry[1];
  }
  if (left.empty() || right.empty()) complain("merges of two tokens", shown(entry));
  return {id_in(names, left, "a merge's tokens"), id_in(names, right, "a merge's tokens"),
          id_in(names, left + right, "a merge's result")};
}

/// Variations of BPE that are not done here.
void refuse_variations(const json& model) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const json value = model.value(key, json());
    if (!value.is_null() && value != "") complain("BPE without " + std::string(key), shown(value));
  }
  const json dropout = model.value("dropout", json());
  if (!dropout.is_null() && dropout != 0) complain("BPE without dropout", shown(dropout));
}

token_model read_bpe(const json& model, bool of_bytes) {
  refuse_variations(model);
  vocabulary names = read_names(model);
  bpe_settings settings{};
  settings.of_bytes = of_bytes;
  settings.fuse_unknown = flag_at(model, "fuse_unk", false);
  settings.byte_fallback = flag_at(model, "byte_fallback", false);
  settings.whole_parts_first = flag_at(model, "ignore_merges", false);
  if (const json unknown = model.value("unk_token", json()); !unknown.is_null())
    settings.unknown = id_in(names, text_at(model, "unk_token", "BPE"), "the unk_token");
  const json& listed = model.contains("merges") ? model["merges"] : json();
  if (!listed.is_array()) complain("a list of merges", shown(listed));
  std::vector<merge> merges;
  merges.reserve(listed.size());
  for (const json& entry : listed) merges.push_back(read_merge(entry, names));
  return bpe_model(std::move(names), std::move(merges), settings);
}

token_model read_words(const json& model) {
  vocabulary names = read_names(model);
  const std::int32_t unknown = id_in(names, text_at(model, "unk_token", "WordLevel"), "the unk_token");
  return word_model(std::move(names), unknown);
}

}  // namespace

token_model read_model(const json& model, bool of_bytes) {
  if (!model.is_object()) complain("a model", shown(model));
  const json type = model.value("type", model.contains("merges") ? json("BPE") : json());  // GPT-2's has no type
  if (type == "BPE") return read_bpe(model, of_bytes);
  if (of_bytes) complain("a model of type BPE behind the pre_tokenizer ByteLevel", shown(type));
  if (type == "WordLevel") return read_words(model);
  complain("a model of type BPE or WordLevel", shown(type));
}

}  // namespace qkv::tokens::reading
