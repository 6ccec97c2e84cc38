#include "apps/cli/data_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/cli/classifier_data.h"
#include "apps/cli/differences.h"
#include "qkv/io/checksum.h"
#include "qkv/io/utf8.h"

namespace qkv::cli {
namespace {

using nlohmann::ordered_json;
using names = std::vector<std::string>;

ordered_json record_of_file(const std::string& path) {
  const file_checksum sum = checksum_of(path);
  return {{"size", sum.size}, {"crc32", sum.crc32}};
}

/// JSON is UTF-8, a file's name may be any bytes.
std::string name_in_json(const std::string& name) {
  if (valid_utf8_length(name) == name.size()) return name;
  std::string escaped;
  for (const char byte : name)
    escaped += byte >= 0 ? std::string(1, byte) : fmt::format("\\x{:02x}", std::uint8_t(byte));
  return escaped;
}

ordered_json record_of_files(const std::string& folder, const std::vector<std::filesystem::path>& files) {
  std::map<std::string, std::string> all;
  for (const auto& file : files) {
    const file_checksum sum = checksum_of(file);
    all[name_in_json(file.lexically_relative(folder).generic_string())] = fmt::format("{} {:08x}", sum.size, sum.crc32);
  }
  return all;
}

bool is_of_a_file(const ordered_json& record) { return record.contains("crc32"); }

/// Behind "found": what has become of the files of a folder.
std::string changes_in_words(const ordered_json& before, const ordered_json& now) {
  names old_names, new_names, changed;
  for (const auto& [name, sum] : before.items()) old_names.push_back(name);
  for (const auto& [name, sum] : now.items()) {
    new_names.push_back(name);
    if (before.contains(name) && before[name] != sum) changed.push_back(name);
  }
  const std::string other = differences_in_words(old_names, new_names), same_name = listed(changed, "changed");
  return other + (other.empty() || same_name.empty() ? "" : ", ") + same_name;
}

[[noreturn]] void refuse_change(const std::string& name, const ordered_json& before, const ordered_json& now) {
  if (before.is_null())
    throw usage_error(fmt::format("--resume: expected no {}, as the run began; found one", name));
  if (now.is_null())
    throw usage_error(fmt::format("--resume: expected {}, with which the run began; found none", name));
  const bool of_a_file = is_of_a_file(before) || is_of_a_file(now);
  throw usage_error(
      fmt::format("--resume: expected in {} what the run began with; found {}; give it as it was, or begin anew with "
                  "--replace",
                  name, of_a_file ? "another file, or one that has changed since" : changes_in_words(before, now)));
}

}  // namespace

ordered_json data_record_of(const train_flags& flags) {
  ordered_json record;
  const std::pair<const char*, const std::string&> files[] = {{"--text", flags.text},
                                                              {"--source", flags.source},
                                                              {"--target", flags.target},
                                                              {"--validation-source", flags.validation_source},
                                                              {"--validation-target", flags.validation_target},
                                                              {"--pairs", flags.pairs},
                                                              {"--validation-pairs", flags.validation_pairs},
                                                              {"--labelled", flags.labelled}};
  for (const auto& [name, path] : files) {
    if (path.empty()) record[name] = nullptr;
    if (std::filesystem::is_regular_file(path)) record[name] = record_of_file(path);
  }
  const auto add_folder = [&](const char* name, const std::string& path, auto files_in) {
    if (path.empty()) record[name] = nullptr;
    if (std::filesystem::is_directory(path)) record[name] = record_of_files(path, files_in(path));
  };
  add_folder("--images", flags.images, picture_files_in);
  add_folder("--validation-images", flags.validation_images, picture_files_in);
  add_folder("--sounds", flags.sounds, sound_files_in);
  add_folder("--validation-sounds", flags.validation_sounds, sound_files_in);
  return record;
}

void check_same_data(const ordered_json& before, const ordered_json& now) {
  for (const auto& [name, record] : now.items())
    if (before.contains(name) && before[name] != record) refuse_change(name, before[name], record);
}

}  // namespace qkv::cli
