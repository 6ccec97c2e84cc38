// A tokenizer as tokenizer.json, the format of Hugging Face tokenizers: normalizer, pre_tokenizer, model, decoder and
// added_tokens.  No post_processor: what stands at the ends of a sequence is the caller's choice.
#include <nlohmann/json.hpp>

#include "qkv/tokens/tokenizer.h"
#include "qkv/tokens/tokenizer_parts.h"

namespace qkv {

using namespace tokens;

namespace {

using json = nlohmann::ordered_json;

json added_tokens(const tokenizer_parts& parts) {
  json list = json::array();
  for (const added_token& token : parts.added) {
    list.push_back({{"id", token.id},
                    {"content", token.name},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", token.special}});
  }
  return list;
}

json one_or_sequence(const json& steps, const char* name_of_list) {
  if (steps.empty()) return nullptr;
  if (steps.size() == 1) return steps[0];
  return {{"type", "Sequence"}, {name_of_list, steps}};
}

bool of_bytes(const tokenizer_parts& parts) {
  const auto* bpe = std::get_if<bpe_model>(&parts.model);
  return bpe && bpe->settings().of_bytes;
}

json byte_level(bool space_in_front, bool gpt2_words) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", space_in_front}, {"trim_offsets", true}, {"use_regex", gpt2_words}};
}

json metaspace(const text_form& form, bool split) {
  const char* const scheme = form.in_front == first_space::always         ? "always"
                             : form.in_front == first_space::at_the_start ? "first"
                                                                          : "never";
  return {{"type", "Metaspace"}, {"replacement", visible_space}, {"prepend_scheme", scheme}, {"split", split}};
}

json cutting_rule(cutting rule) {
  switch (rule) {
    case cutting::words:
      return {{"type", "Whitespace"}};
    case cutting::words_single_marks:
      return {{"type", "Split"}, {"pattern", {{"Regex", "\\w+|[^\\w\\s]"}}}, {"behavior", "Removed"}, {"invert", true}};
    case cutting::single_digits:
      return {{"type", "Digits"}, {"individual_digits", true}};
    case cutting::numbers:
      return {{"type", "Digits"}, {"individual_digits", false}};
    case cutting::gpt2_words:
      return byte_level(/*space_in_front=*/false, /*gpt2_words=*/true);
    case cutting::visible_spaces:
      break;  // part of metaspace
  }
  return nullptr;
}

bool cuts(const tokenizer_parts& parts, cutting rule) {
  return std::ranges::find(parts.cuttings, rule) != parts.cuttings.end();
}

json pre_tokenizer(const tokenizer_parts& parts) {
  json steps = json::array();
  if (parts.form.spaces_visible) steps.push_back(metaspace(parts.form, cuts(parts, cutting::visible_spaces)));
  for (const cutting rule : parts.cuttings)
    if (rule != cutting::gpt2_words && rule != cutting::visible_spaces) steps.push_back(cutting_rule(rule));
  if (of_bytes(parts))
    steps.push_back(byte_level(!parts.form.spaces_visible && parts.form.in_front == first_space::always,
                               cuts(parts, cutting::gpt2_words)));
  return one_or_sequence(steps, "pretokenizers");
}

json decoder(const tokenizer_parts& parts) {
  if (of_bytes(parts)) return byte_level(false, true);
  if (parts.join == joining::with_spaces) return nullptr;
  json steps = json::array();
  if (has_byte_fallback(parts.model)) steps.push_back({{"type", "ByteFallback"}});
  steps.push_back(parts.join == joining::visible_spaces ? metaspace(parts.form, true) : json{{"type", "Fuse"}});
  return one_or_sequence(steps, "decoders");
}

/// {"token": id, ...} in the order of ids; a name is looked up nowhere, which would take long.
json ids_by_name(const vocabulary& names) {
  json object = json::object();
  auto& entries = object.get_ref<json::object_t&>();
  entries.reserve(names.tokens().size());
  for (std::int32_t id = 0; id < names.size(); ++id) entries.push_back({names.token(id), id});
  return object;
}

json in_json(const word_model& model) {
  return {{"type", "WordLevel"},
          {"vocab", ids_by_name(model.names())},
          {"unk_token", model.names().token(model.unknown())}};
}

/// "left right", as all versions of the format have it; where a token has a space in it, ["left", "right"].
json in_json(const vocabulary& names, const merge& m, bool as_lists) {
  const std::string &left = names.token(m.left), &right = names.token(m.right);
  return as_lists ? json::array({left, right}) : json(left + " " + right);
}

json in_json(const bpe_model& model) {
  const bpe_settings& settings = model.settings();
  const vocabulary& names = model.names();
  const bool as_lists = std::ranges::any_of(model.merges(), [&](const merge& m) {
    return names.token(m.left).contains(' ') || names.token(m.right).contains(' ');
  });
  json merges = json::array();
  for (const merge& m : model.merges()) merges.push_back(in_json(names, m, as_lists));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", settings.unknown ? json(names.token(*settings.unknown)) : json()},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", settings.fuse_unknown},
          {"byte_fallback", settings.byte_fallback},
          {"ignore_merges", settings.whole_parts_first},
          {"vocab", ids_by_name(names)},
          {"merges", merges}};
}

}  // namespace

std::string tokenizer::to_json() const {
  json file{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  file["added_tokens"] = added_tokens(*parts_);
  file["normalizer"] = parts_->form.lower_case ? json{{"type", "Lowercase"}} : json();
  file["pre_tokenizer"] = pre_tokenizer(*parts_);
  file["post_processor"] = nullptr;
  file["decoder"] = decoder(*parts_);
  file["model"] = std::visit([](const auto& model) { return in_json(model); }, parts_->model);
  return file.dump();
}

}  // namespace qkv
