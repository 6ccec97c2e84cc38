// qkv inspect: what is in a model's file or the folder of a training run.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/memory_meter.h"
#include "apps/cli/metrics_file.h"
#include "apps/cli/model_summary.h"
#include "apps/cli/written_text.h"
#include "qkv/base/error.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/train/run_folder.h"

namespace qkv::cli {
namespace {

using nlohmann::ordered_json;

struct inspect_options {
  std::string path;
  bool tensors = false;
};

ordered_json number_or_null(double x) { return std::isfinite(x) ? ordered_json(x) : ordered_json(); }
ordered_json parsed(const std::string& text) {
  ordered_json value = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? ordered_json(text) : value;
}

/// The checkpoints of a run, the damaged ones too.
ordered_json checkpoints_of(const std::filesystem::path& run) {
  const auto valid = valid_steps(run);
  const auto learned = read_loss_points(run / "metrics.jsonl").learned;
  ordered_json all = ordered_json::array();
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(run))
    if (entry.path().filename().string().starts_with("step-")) folders.push_back(entry.path());
  std::ranges::sort(folders);
  for (const auto& folder : folders) {
    ordered_json one{{"folder", folder.filename().string()}};
    const auto found = std::ranges::find(valid, folder, &stored_step::folder);
    one["valid"] = found != valid.end();
    if (found != valid.end()) {
      one["step"] = found->step;
      for (const auto& [step, loss] : learned)
        if (long(step) == found->step) one["loss"] = number_or_null(loss);
      one["validation_loss"] = number_or_null(found->validation_loss);
      one["bytes"] = std::filesystem::file_size(found->model());
    }
    all.push_back(one);
  }
  return all;
}

/// What the file says beside its tensors: configuration, tokens, how far training has come.
void add_facts(ordered_json& result, const std::map<std::string, std::string>& metadata) {
  for (const auto& [name, text] : metadata) {
    if (name == "format" || text.empty()) continue;
    if (name == "vocabulary" || name.ends_with("tokenizer")) try {
        result["tokens"][name] = tokenizer::from_json(text).in_words();
      } catch (const std::exception& error) { result["tokens"][name] = std::string("damaged: ") + error.what(); }
    else if (name == "step" || name == "validation_loss")
      result[name] = text == "nan" ? ordered_json() : parsed(text);
    else
      result[name] = parsed(text);
  }
}

ordered_json tensors_of(const tensor_file& file) {
  ordered_json all = ordered_json::array();
  for (const auto& [name, value] : file.tensors) {
    const tensor_numbers n = numbers_of(value);
    all.push_back({{"name", name},
                   {"type", name_of(value.type())},
                   {"shape", value.shape()},
                   {"min", number_or_null(n.least)},
                   {"max", number_or_null(n.greatest)},
                   {"mean", number_or_null(n.mean)},
                   {"deviation", number_or_null(n.deviation)},
                   {"nan", n.not_numbers},
                   {"infinite", n.infinite}});
  }
  return all;
}

ordered_json summary_of(const inspect_options& o) {
  const std::filesystem::path path = o.path;
  ordered_json result{{"path", o.path}};
  if (std::filesystem::is_directory(path)) {
    result["checkpoints"] = checkpoints_of(path);
    if (result["checkpoints"].empty())
      refuse_file(path, "a model's file or the folder of a training run", "a folder without checkpoints");
    if (valid_steps(path).empty()) return result;
  }
  const auto model = model_file_at(path);
  const tensor_file file = read_safetensors(model);
  const auto format = file.metadata.find("format");
  result["file"] = model.string();
  result["kind"] = kind_in_words(format == file.metadata.end() ? "" : format->second);
  if (format != file.metadata.end()) result["format"] = format->second;
  result["bytes"] = std::filesystem::file_size(model);
  const auto modules = modules_of(file);
  result["parameters"] = parameters_of(modules);
  for (const module_summary& one : modules)
    result["modules"].push_back({{"name", one.name},
                                 {"tensors", one.tensors},
                                 {"numbers", one.numbers},
                                 {"bytes", long(one.bytes)},
                                 {"types", one.types}});
  add_facts(result, file.metadata);
  if (o.tensors) result["all_tensors"] = tensors_of(file);
  return result;
}

std::string shown(const ordered_json& value) {
  return value.is_null()     ? "not known"
         : value.is_string() ? visible(value.get<std::string>(), look::ascii)
                             : value.dump();
}
std::string plain(const ordered_json& value) {
  if (value.is_number_float()) return fmt::format("{:.4f}", value.get<double>());
  return value.is_string() ? value.get<std::string>() : shown(value);
}

/// "layers 4, heads 6, ...", in lines that fit.
void print_pairs(const std::string& title, const ordered_json& object) {
  std::string line = left_aligned(title, 16);
  for (const auto& [key, value] : object.items()) {
    const std::string one = key + " " + (value.is_string() ? value.get<std::string>() : value.dump());
    if (line.size() + one.size() > 100) {
      fmt::print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
      line = std::string(16, ' ');
    }
    line += one + ", ";
  }
  line.resize(line.find_last_not_of(", ") + 1);
  fmt::print("{}\n", line);
}

void print_checkpoints(const ordered_json& all, look how) {
  fmt::print("{}\n", bold("checkpoint            step     loss  validation   size", how));
  for (const ordered_json& one : all) {
    const auto name = left_aligned(visible(one["folder"].get<std::string>(), how), 18);
    if (!one["valid"].get<bool>()) {
      fmt::print("{}  damaged or never finished: its checksum does not hold\n", name);
      continue;
    }
    fmt::print("{}  {:>6}  {:>7}  {:>10}   {}\n", name, one["step"].get<long>(),
               one.contains("loss") ? plain(one["loss"]) : "", plain(one["validation_loss"]),
               in_bytes(one["bytes"].get<double>()));
  }
  fmt::print("\n");
}

void print_modules(const ordered_json& all, look how) {
  int widest = 6;
  for (const ordered_json& one : all)
    widest = std::max(widest, columns_of(visible(one["name"].get<std::string>(), how)));
  fmt::print("\n{}\n", bold(left_aligned("module", widest) + "  tensors     numbers        size  type", how));
  for (const ordered_json& one : all)
    fmt::print("{}  {:>7}  {:>10}  {:>10}  {}\n", left_aligned(visible(one["name"].get<std::string>(), how), widest),
               one["tensors"].get<long>(), one["numbers"].get<long>(), in_bytes(one["bytes"].get<double>()),
               one["types"].get<std::string>());
}

void print_tensors(const ordered_json& all, look how) {
  int widest = 6;
  for (const ordered_json& one : all)
    widest = std::max(widest, columns_of(visible(one["name"].get<std::string>(), how)));
  fmt::print("\n{}\n", bold(left_aligned("tensor", widest) +
                                fmt::format("  {:<10} {:<14} {:>10} {:>10} {:>10} {:>10}  {}", "type", "shape", "min",
                                            "max", "mean", "deviation", "NaN"),
                            how));
  for (const ordered_json& one : all) {
    const long wrong = one["nan"].get<long>() + one["infinite"].get<long>();
    const std::string row =
        fmt::format("{}  {:<10} {:<14} {:>10} {:>10} {:>10} {:>10}  {}",
                    left_aligned(visible(one["name"].get<std::string>(), how), widest), one["type"].get<std::string>(),
                    one["shape"].dump(), plain(one["min"]), plain(one["max"]), plain(one["mean"]),
                    plain(one["deviation"]), one["nan"].get<long>());
    fmt::print("{}{}\n", wrong > 0 ? bold(row, how) : row,
               one["infinite"].get<long>() > 0 ? fmt::format(", {} infinite", one["infinite"].get<long>()) : "");
  }
}

void print(const ordered_json& r, const output_options& output) {
  const look how = output.look_of(stdout);
  if (r.contains("checkpoints")) print_checkpoints(r["checkpoints"], how);
  if (!r.contains("kind")) return;
  if (r.contains("checkpoints")) fmt::print("best            {}\n", printable(r["file"].get<std::string>()));
  fmt::print("kind            {}\n", printable(r["kind"].get<std::string>()));
  fmt::print("parameters      {}\n", r["parameters"].get<long>());
  fmt::print("size            {}\n", in_bytes(r["bytes"].get<double>()));
  if (r.contains("step"))
    fmt::print("trained         {} steps, validation loss {}\n", shown(r["step"]), plain(r["validation_loss"]));
  if (r.contains("tokens"))
    for (const auto& [name, words] : r["tokens"].items()) {
      const bool sided = name.find('_') != std::string::npos;  // source_tokenizer
      fmt::print("{}{}\n", left_aligned((sided ? name.substr(0, name.find('_')) + " " : "") + "tokens", 16),
                 words.get<std::string>());
    }
  for (const auto& [name, value] : r.items())
    if (value.is_object() && name != "tokens") print_pairs(name, value);
  if (r.contains("classes")) fmt::print("classes         {}\n", printable(r["classes"].dump()));
  print_modules(r["modules"], how);
  if (r.contains("all_tensors")) print_tensors(r["all_tensors"], how);
}

void run(const inspect_options& o, const output_options& output) {
  const ordered_json result = summary_of(o);
  if (output.json) return fmt::print("{}\n", result.dump(1));
  if (output.quiet) return fmt::print("{}\n", result.value("kind", "no valid checkpoint"));
  print(result, output);
}

}  // namespace

void add_inspect(CLI::App& program) {
  CLI::App& command = add_command(program, "inspect", "Say what is in a model's file or the folder of a training run",
                                  "qkv inspect models/de-en.safetensors --tensors\n"
                                  "  qkv inspect --model out/mine");
  const auto options = std::make_shared<inspect_options>();
  const auto output = std::make_shared<output_options>();
  command
      .add_option("model,-m,--model", options->path,
                  "A .safetensors file of any program, or the folder of a training run")
      ->required()
      ->check(file_name());
  command.add_flag("--tensors", options->tensors, "Every tensor: its type, shape and the numbers in it");
  output->add_style(command);
  output->add_quiet(command);
  output->add_json(command);
  command.callback([options, output] { run(*options, *output); });
}

}  // namespace qkv::cli
