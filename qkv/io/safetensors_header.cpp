#include "qkv/io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "qkv/base/error.h"

namespace qkv {
namespace {

using nlohmann::json;

constexpr const char* metadata_key = "__metadata__";

struct type_name {
  stored_type type;
  const char* name;
  std::uint64_t size;
};
constexpr type_name type_names[] = {
    {stored_type::float16, "F16", 2}, {stored_type::bfloat16, "BF16", 2}, {stored_type::float32, "F32", 4},
    {stored_type::float64, "F64", 8}, {stored_type::int8, "I8", 1},
    {stored_type::int32, "I32", 4},     {stored_type::int64, "I64", 8},
};

const type_name& entry_of(stored_type type) {
  return *std::ranges::find(type_names, type, &type_name::type);  // every type is in the table
}

/// A name for a message: short, and without anything that would disturb a terminal.
std::string in_quotes(const std::string& name) {
  constexpr std::size_t longest = 100;
  const std::string shown = name.size() <= longest ? name : name.substr(0, longest) + "...";
  return json(shown).dump(-1, ' ', false, json::error_handler_t::replace);
}

class header_reader {
 public:
  header_reader(const std::filesystem::path& path, std::uint64_t data_bytes) : path_(path), data_bytes_(data_bytes) {}

  safetensors_header read(const std::string& text) {
    const json header = parse(text);
    if (!header.is_object()) refuse("a header that is not a JSON object");
    safetensors_header result;
    for (const auto& [name, value] : header.items()) {
      if (name == metadata_key) {
        result.metadata = metadata_of(value);
      } else {
        result.tensors.push_back(tensor_of(name, value));
      }
    }
    std::ranges::sort(result.tensors, {}, [](const stored_tensor& t) { return std::pair(t.begin, t.end); });
    check_coverage(result.tensors);
    return result;
  }

 private:
  [[noreturn]] void refuse(const std::string& found) const { refuse_file(path_, "a safetensors file", found); }

  /// JSON allows a name twice in one object and its readers keep the last; here that is an error.
  json parse(const std::string& text) const {
    std::vector<std::set<std::string>> open_objects;
    std::optional<std::string> repeated;
    const auto watch = [&](int, json::parse_event_t event, json& value) {
      if (event == json::parse_event_t::object_start) open_objects.emplace_back();
      if (event == json::parse_event_t::object_end) open_objects.pop_back();
      if (event == json::parse_event_t::key && !open_objects.back().insert(value.get<std::string>()).second) {
        repeated = value.get<std::string>();
      }
      return true;
    };
    json header;
    try {
      header = json::parse(text, watch);
    } catch (const json::exception&) {
      refuse("a header that is not JSON");
    }
    if (repeated) refuse("the name " + in_quotes(*repeated) + " twice in its header");
    return header;
  }

  std::map<std::string, std::string> metadata_of(const json& value) const {
    if (!value.is_object()) refuse("metadata that is not a JSON object");
    std::map<std::string, std::string> metadata;
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) refuse("metadata " + in_quotes(key) + " that is not a string");
      metadata[key] = text.get<std::string>();
    }
    return metadata;
  }

  stored_tensor tensor_of(const std::string& name, const json& value) const {
    const std::string subject = "tensor " + in_quotes(name);
    if (!value.is_object()) refuse(subject + " that is not a JSON object");
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (!value.contains(key)) refuse(subject + " without " + key);
    }
    stored_tensor t{name, type_of(subject, value["dtype"]), {}, 0, 0};
    for (const std::uint64_t n : numbers_of(subject + "'s shape", value["shape"])) t.sizes.push_back(long(n));
    const auto offsets = numbers_of(subject + "'s data_offsets", value["data_offsets"]);
    if (offsets.size() != 2) refuse(subject + " with " + std::to_string(offsets.size()) + " data_offsets");
    t.begin = offsets[0];
    t.end = offsets[1];
    check_place(subject, t);
    return t;
  }

  stored_type type_of(const std::string& subject, const json& value) const {
    if (!value.is_string()) refuse(subject + " whose dtype is not a string");
    const auto name = value.get<std::string>();
    const auto* entry = std::ranges::find(type_names, name, &type_name::name);
    if (entry == std::end(type_names)) refuse(subject + " of dtype " + name + ", which qkv does not read");
    return entry->type;
  }

  std::vector<std::uint64_t> numbers_of(const std::string& subject, const json& value) const {
    if (!value.is_array()) refuse(subject + ", which is not a list");
    std::vector<std::uint64_t> numbers;
    constexpr auto largest = std::uint64_t(std::numeric_limits<long>::max());
    for (const json& number : value) {
      if (!number.is_number_unsigned() || number.get<std::uint64_t>() > largest) {
        const std::string shown = number.is_number() ? number.dump() : number.type_name();
        refuse(subject + " with " + shown + ", which is not a size");
      }
      numbers.push_back(number.get<std::uint64_t>());
    }
    return numbers;
  }

  void check_place(const std::string& subject, const stored_tensor& t) const {
    if (t.begin > t.end || t.end > data_bytes_) {
      refuse(subject + " at bytes " + std::to_string(t.begin) + " to " + std::to_string(t.end) + " of " +
             std::to_string(data_bytes_));
    }
    std::uint64_t bytes = size_of(t.type);
    for (const long n : t.sizes) {
      if (__builtin_mul_overflow(bytes, std::uint64_t(n), &bytes)) {
        refuse(subject + " of shape " + to_string(t.sizes) + ", which is more than 2^64 bytes");
      }
    }
    if (bytes != t.end - t.begin) {
      refuse(subject + " of shape " + to_string(t.sizes) + " with " + std::to_string(t.end - t.begin) + " bytes, not " +
             std::to_string(bytes));
    }
  }

  void check_coverage(const std::vector<stored_tensor>& tensors) const {
    std::uint64_t covered = 0;
    for (const stored_tensor& t : tensors) {
      if (t.begin < covered) refuse("tensor " + in_quotes(t.name) + " that overlaps the one before it");
      if (t.begin > covered) refuse("a gap before tensor " + in_quotes(t.name));
      covered = t.end;
    }
    if (covered != data_bytes_) refuse(std::to_string(data_bytes_ - covered) + " bytes after the last tensor");
  }

  const std::filesystem::path& path_;
  std::uint64_t data_bytes_;
};

}  // namespace

stored_type stored_type_of(dtype type) {
  switch (type) {
    case dtype::bfloat16: return stored_type::bfloat16;
    case dtype::int32: return stored_type::int32;
    case dtype::float64: return stored_type::float64;
    case dtype::int8: return stored_type::int8;
    default: return stored_type::float32;
  }
}

std::uint64_t size_of(stored_type type) { return entry_of(type).size; }

safetensors_header parse_safetensors_header(const std::filesystem::path& path, const std::string& text,
                                            std::uint64_t data_bytes) {
  return header_reader(path, data_bytes).read(text);
}

std::string to_json(const safetensors_header& header) {
  json result = json::object();
  if (!header.metadata.empty()) result[metadata_key] = header.metadata;
  for (const stored_tensor& t : header.tensors) {
    result[t.name] = {{"dtype", entry_of(t.type).name}, {"shape", t.sizes}, {"data_offsets", {t.begin, t.end}}};
  }
  std::string text;
  try {
    text = result.dump();
  } catch (const json::exception&) {
    refuse("write_safetensors", "names and metadata in UTF-8", "other bytes");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace qkv
