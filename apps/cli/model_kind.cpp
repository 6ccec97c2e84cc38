#include "apps/cli/model_kind.h"

#include "qkv/base/error.h"
#include "qkv/train/model_file.h"
#include "qkv/train/translator.h"

namespace qkv::cli {
namespace {

model_kind kind_of(const std::filesystem::path& path, const model_reader& file) {
  const std::string& format = file.format();
  if (is_translator(format)) return model_kind::translator;
  if (format.starts_with("qkv decoder")) return model_kind::language_model;
  if (format.starts_with("qkv masked")) return model_kind::masked_language_model;
  if (format.starts_with("qkv classifier")) return model_kind::classifier;
  refuse_file(path, "a model that `qkv train` wrote", "\"" + format + "\"");
}

const char* commands_for(model_kind kind) {
  switch (kind) {
    case model_kind::language_model: return "qkv generate, complete, evaluate and attend";
    case model_kind::masked_language_model: return "qkv complete, evaluate and attend";
    case model_kind::translator: return "qkv translate, evaluate and attend";
    case model_kind::classifier: return "qkv classify, evaluate and attend";
  }
  return "";
}

/// " of pictures and sounds".
std::string senses_of(const model_reader& file) {
  std::string text;
  for (const auto& [name, what] : {std::pair("tokenizer", "texts"), {"picture", "pictures"}, {"sound", "sounds"}})
    if (file.has_text(name) && !file.text(name).empty()) text += (text.empty() ? " of " : " and ") + std::string(what);
  return text;
}

}  // namespace

model_kind kind_of(const std::filesystem::path& file) { return kind_of(file, model_reader(file)); }

std::string in_words(model_kind kind) {
  switch (kind) {
    case model_kind::language_model: return "a language model";
    case model_kind::masked_language_model: return "a masked language model";
    case model_kind::translator: return "a translator";
    case model_kind::classifier: return "a classifier";
  }
  return "";
}

std::string kind_and_use_of(const std::filesystem::path& file) {
  const model_reader opened(file);
  const model_kind kind = kind_of(file, opened);
  const std::string senses = kind == model_kind::classifier ? senses_of(opened) : "";
  return in_words(kind) + senses + ", for " + commands_for(kind);
}

void expect_kind(const std::filesystem::path& file, model_kind kind) {
  if (kind_of(file) != kind) refuse_file(file, in_words(kind), kind_and_use_of(file));
}

}  // namespace qkv::cli
