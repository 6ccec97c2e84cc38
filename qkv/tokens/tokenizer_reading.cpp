// A tokenizer from tokenizer.json.  What is known: see steps_of_form, steps_of_cutting, read_join and read_model; the
// post_processor, truncation and padding are not applied.  A part that is not known is an error that names it.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "qkv/base/error.h"
#include "qkv/tokens/characters.h"
#include "qkv/tokens/model_reading.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/tokens/tokenizer_parts.h"
#include "qkv/tokens/training.h"

namespace qkv {

using namespace tokens;
using namespace tokens::reading;

namespace {

/// The steps of a part: none for null, those of a Sequence, or one.
std::vector<json> steps_of(const json& file, const char* key, const char* name_of_list) {
  const json part = file.value(key, json());
  if (part.is_null()) return {};
  if (type_of(part, key) != "Sequence") return {part};
  const json list = part.value(name_of_list, json());
  if (!list.is_array()) complain(std::string(key) + " with a list of " + name_of_list, shown(list));
  std::vector<json> steps;
  for (const json& step : list) steps.push_back(step);
  return steps;
}

void read_form(const json& file, tokenizer_parts& parts) {
  for (const json& step : steps_of(file, "normalizer", "normalizers")) {
    const std::string type = type_of(step, "normalizer");
    if (type != "Lowercase") complain("a normalizer of the type Lowercase, or none", type);
    parts.form.lower_case = true;
  }
}

void read_metaspace(const json& step, tokenizer_parts& parts) {
  if (!parts.cuttings.empty()) complain("Metaspace before all other pre_tokenizers", "it behind another");
  if (text_at(step, "replacement", "Metaspace") != visible_space)
    complain("Metaspace with the replacement \"▁\"", shown(step["replacement"]));
  const std::string scheme = step.contains("prepend_scheme")           ? text_at(step, "prepend_scheme", "Metaspace")
                             : flag_at(step, "add_prefix_space", true) ? "always"
                                                                       : "never";
  if (scheme != "always" && scheme != "first" && scheme != "never")
    complain("Metaspace with the prepend_scheme always, first or never", scheme);
  parts.form.spaces_visible = true;
  parts.form.in_front = scheme == "always"  ? first_space::always
                        : scheme == "first" ? first_space::at_the_start
                                            : first_space::none;
  if (flag_at(step, "split", true)) parts.cuttings.push_back(cutting::visible_spaces);
}

void read_byte_level(const json& step, tokenizer_parts& parts) {
  if (flag_at(step, "add_prefix_space", true)) {
    if (!parts.cuttings.empty()) complain("no add_prefix_space behind another pre_tokenizer", "ByteLevel with it");
    parts.form.in_front = first_space::always;
  }
  if (flag_at(step, "use_regex", true)) parts.cuttings.push_back(cutting::gpt2_words);
}

/// Split by a pattern that is known by its letters.
cutting read_split(const json& step) {
  const json pattern = step.value("pattern", json::object()).value("Regex", json());
  const bool kept_are_matches = step.value("behavior", json()) == "Removed" && flag_at(step, "invert", false);
  if (kept_are_matches && pattern == words_single_marks_pattern) return cutting::words_single_marks;
  complain("Split by a pattern that is known here", shown(step));
}

/// Returns whether the model sees bytes.
bool read_cuttings(const json& file, tokenizer_parts& parts) {
  bool of_bytes = false;
  for (const json& step : steps_of(file, "pre_tokenizer", "pretokenizers")) {
    const std::string type = type_of(step, "pre_tokenizer");
    if (of_bytes) complain("ByteLevel as the last pre_tokenizer", type + " behind it");
    if (type == "ByteLevel") {
      of_bytes = true;
      read_byte_level(step, parts);
    } else if (type == "Metaspace") {
      read_metaspace(step, parts);
    } else if (type == "Digits") {
      parts.cuttings.push_back(flag_at(step, "individual_digits", false) ? cutting::single_digits : cutting::numbers);
    } else if (type == "Whitespace") {
      parts.cuttings.push_back(cutting::words);
    } else if (type == "Split") {
      parts.cuttings.push_back(read_split(step));
    } else {
      complain("a pre_tokenizer of the types ByteLevel, Metaspace, Digits, Whitespace or Split", type);
    }
  }
  return of_bytes;
}

joining read_join(const json& file, bool of_bytes, const token_model& model) {
  std::vector<json> steps = steps_of(file, "decoder", "decoders");
  const auto is = [&](const char* type) { return steps.size() == 1 && type_of(steps[0], "decoder") == type; };
  if (of_bytes) {
    if (!is("ByteLevel"))
      complain("the decoder ByteLevel behind the pre_tokenizer ByteLevel", shown(file.value("decoder", json())));
    return joining::as_they_are;
  }
  if (steps.empty()) return joining::with_spaces;
  if (type_of(steps[0], "decoder") == "ByteFallback" && steps.size() == 2 && has_byte_fallback(model))
    steps.erase(steps.begin());
  if (is("Fuse")) return joining::as_they_are;
  if (is("Metaspace")) return joining::visible_spaces;
  complain("a decoder of the types ByteLevel, Metaspace or Fuse, or none", shown(file.value("decoder", json())));
}

added_token read_added_token(const json& entry) {
  const std::string name = text_at(entry, "content", "an added token");
  if (name.empty()) complain("added tokens with names", "an empty one");
  for (const char* option : {"single_word", "lstrip", "rstrip"})
    if (flag_at(entry, option, false))
      complain("added tokens without " + std::string(option), "\"" + name + "\" with it");
  const json id = entry.value("id", json());
  if (!id.is_number_integer()) complain("a number as the id of \"" + name + "\"", shown(id));
  return {name, id.get<std::int32_t>(), flag_at(entry, "special", false)};
}

/// In the order of their ids.
std::vector<added_token> read_added_tokens(const json& file) {
  std::vector<added_token> added;
  const json list = file.value("added_tokens", json::array());
  if (!list.is_array()) complain("a list of added_tokens", shown(list));
  for (const json& entry : list) added.push_back(read_added_token(entry));
  std::ranges::sort(added, {}, &added_token::id);
  return added;
}

/// Those that the model does not have must follow its own.
void check_added_tokens(const std::vector<added_token>& added, const vocabulary& names) {
  std::int32_t next = names.size();
  for (const added_token& token : added) {
    const bool known = token.id >= 0 && token.id < names.size() && names.token(token.id) == token.name;
    if (!known && token.id != next++)
      complain("the added token \"" + token.name + "\" to have its id in the model, or the next behind it",
               std::to_string(token.id));
    if (std::ranges::count(added, token.name, &added_token::name) > 1)
      complain("every added token once", "\"" + token.name + "\" twice");
  }
}

std::vector<std::string> names_of_specials(const std::vector<added_token>& added) {
  std::vector<std::string> names;
  for (const added_token& token : added)
    if (token.special) names.push_back(token.name);
  return names;
}

tokenizer read(const json& file) {
  if (!file.contains("model")) complain("a model", "none; is this another file?");
  tokenizer_parts parts{.form = {}, .cuttings = {}, .model = word_model(vocabulary({}), -1), .added = {}};
  read_form(file, parts);
  const bool of_bytes = read_cuttings(file, parts);
  parts.added = read_added_tokens(file);
  parts.model = read_model(file["model"], of_bytes, names_of_specials(parts.added));
  parts.join = read_join(file, of_bytes, parts.model);
  check_added_tokens(parts.added, names_of(parts.model));
  return tokenizer(std::move(parts));
}

}  // namespace

tokenizer tokenizer::from_json(std::string_view text) {
  const json file = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (file.is_discarded()) complain("JSON", "something else, or a file that was cut short");
  if (!file.is_object()) complain("an object", shown(file));
  if (file.value("type", json()) == "characters") return character_tokenizer(character_vocabulary::from_json(text));
  try {
    return read(file);
  } catch (const shape_error& error) {
    complain("parts that fit together", error.what());
  } catch (const json::exception& error) { complain("parts of their usual form", error.what()); }
}

}  // namespace qkv
