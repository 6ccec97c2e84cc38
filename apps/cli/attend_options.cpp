#include "apps/cli/attend_options.h"

#include <fmt/format.h>

#include <filesystem>

#include "apps/cli/attention_page.h"
#include "apps/cli/memory_meter.h"
#include "qkv/io/atomic_file.h"
#include "qkv/io/text_file.h"

namespace qkv::cli {

void need_attention(nn::mixer_kind mixer) {
  if (mixer != nn::mixer_kind::attention)
    throw usage_error(fmt::format("expected a model with heads of attention to look at; found one whose mixer is {}",
                                  nn::name_of(mixer)));
}

void check_files_can_be_written(const attend_options& options) {
  for (const std::string& path : {options.html, options.svg, options.png})
    if (!path.empty()) atomic_file{path};
}

void say_saved(const std::string& path, const std::string& what, bool speaks) {
  if (speaks) fmt::print("{}: {}, {}\n", path, what, in_bytes(double(std::filesystem::file_size(path))));
}

void save_pictures(const attend_options& options, const attention_map& map, const head_choice& choice,
                   const std::string& facts, bool speaks) {
  if (speaks && !(options.html + options.svg + options.png).empty()) fmt::print("\n");
  if (!options.html.empty()) {
    write_text(options.html, attention_page(map, facts));
    say_saved(options.html, "open it in a browser and point at a token", speaks);
  }
  if (!options.svg.empty()) {
    save_heat_maps_as_svg(options.svg, map, choice);
    say_saved(options.svg, "a picture that can be scaled", speaks);
  }
  if (!options.png.empty()) {
    save_heat_maps_as_png(options.png, map, choice);
    say_saved(options.png, "a picture", speaks);
  }
}

nlohmann::ordered_json as_json(const head_statistics& s) {
  nlohmann::ordered_json all{
      {"kind", kind_of(s)}, {"entropy", s.entropy}, {"spread", s.spread}, {"evenness", s.evenness}};
  if (!s.two_texts)
    all.update({{"itself", s.itself},
                {"previous", s.previous},
                {"next", s.next},
                {"first", s.first},
                {"same", s.alike},
                {"induction", s.induction}});
  all["strongest"] = s.strongest;
  if (!s.two_texts) all["distance"] = s.distance;
  return all;
}

nlohmann::ordered_json heads_as_json(const attention_map& map, const head_choice& choice) {
  nlohmann::ordered_json heads = nlohmann::ordered_json::array();
  for (const long layer : choice.layers(map))
    for (const long head : choice.heads(map)) {
      nlohmann::ordered_json weights = nlohmann::ordered_json::array();
      for (long t = 0; t < long(map.queries.size()); ++t) {
        const auto row = map.weights.select(0, layer).select(0, head).select(0, t).values<float>();
        weights.push_back(std::vector<float>(row.begin(), row.end()));
      }
      nlohmann::ordered_json all{{"layer", layer + 1}, {"head", head + 1}};
      all.update(as_json(statistics_of(map, layer, head)));
      all["weights"] = weights;
      heads.push_back(all);
    }
  return heads;
}

}  // namespace qkv::cli
