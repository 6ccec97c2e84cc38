#include "apps/cli/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "apps/cli/png_canvas.h"
#include "apps/cli/svg_canvas.h"
#include "apps/cli/terminal.h"
#include "qkv/io/text_file.h"

namespace qkv::cli {
namespace {

constexpr double margin = 24, header = 76, title = 22, smallest_shown = 0.01;

std::vector<long> all_of(long count) {
  std::vector<long> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0L);
  return all;
}

std::vector<std::string> labels_of(const std::vector<std::string>& tokens) {
  std::vector<std::string> labels;
  for (const std::string& token : tokens) labels.push_back(short_label(token, 16, look::unicode));
  return labels;
}

int widest_of(const std::vector<std::string>& labels) {
  int widest = 1;
  for (const std::string& label : labels) widest = std::max(widest, columns_of(label));
  return widest;
}

std::string tip_of(const attention_map& map, long layer, long head, long query) {
  std::vector<long> order = all_of(long(map.keys.size()));
  const auto count = std::min<std::size_t>(3, order.size());
  std::partial_sort(order.begin(), order.begin() + long(count), order.end(), [&](long a, long b) {
    return map.weight(layer, head, query, a) > map.weight(layer, head, query, b);
  });
  std::string tip = fmt::format("{} (token {}) looks at", visible(map.queries[query], look::unicode), query + 1);
  for (std::size_t i = 0; i < count; ++i)
    tip += fmt::format("{} {} {:.0f}%", i ? "," : "", visible(map.keys[order[i]], look::unicode),
                       100 * map.weight(layer, head, query, order[i]));
  return tip;
}

struct panel {
  const attention_map& map;
  const heat_map_layout& place;
  long layer, head;
  double x, y;  // of the first weight's square

  void draw(canvas& on, const std::vector<std::string>& queries, const std::vector<std::string>& keys) const {
    const head_statistics s = statistics_of(map, layer, head);
    on.text(x, y - place.above - title / 2, fmt::format("layer {} head {}", layer + 1, head + 1), 13, ink,
            anchor::start, true);
    on.text(x + 14 * 8.4, y - place.above - title / 2, kind_of(s), 12, faint_ink, anchor::start, false);
    for (std::size_t t = 0; t < queries.size(); ++t) {
      on.text(x - 6, y + (double(t) + 0.5) * place.cell, queries[t], place.font, ink, anchor::end, false);
      draw_strip(on, long(t));
    }
    draw_weights(on);
    for (std::size_t s_ = 0; s_ < keys.size(); ++s_) {
      const double middle = x + (double(s_) + 0.5) * place.cell;
      if (place.upwards)
        on.text_upwards(middle, y - 5, keys[s_], place.font, ink);
      else
        on.text(middle, y - 3 - place.font / 2, keys[s_], place.font, ink, anchor::middle, false);
    }
  }

  // The links that exist as a pale strip, with a tip.
  void draw_strip(canvas& on, long query) const {
    const auto S = long(map.keys.size());
    long seen = S;
    while (seen > 0 && !(map.weight(layer, head, query, seen - 1) > 0)) --seen;
    if (seen == 0) return;
    on.begin_group(tip_of(map, layer, head, query));
    on.rectangle(x, y + double(query) * place.cell, double(seen) * place.cell - gap(), place.cell - gap(), heat(0));
    on.end_group();
  }

  // On the strips, the weights that can be told from nothing.
  void draw_weights(canvas& on) const {
    std::vector<square> shown;
    for (long t = 0; t < long(map.queries.size()); ++t)
      for (long s = 0; s < long(map.keys.size()); ++s)
        if (const double w = map.weight(layer, head, t, s); w >= smallest_shown) shown.push_back({s, t, heat(w)});
    on.squares(x, y, place.cell, place.cell - gap(), shown);
    if (place.cell < 30) return;
    for (const square& one : shown) {
      const double w = map.weight(layer, head, one.row, one.column);
      on.text(x + (double(one.column) + 0.5) * place.cell, y + (double(one.row) + 0.5) * place.cell,
              fmt::format("{:.0f}", 100 * w), std::min(14.0, place.cell / 3), w > 0.2 ? white : ink, anchor::middle,
              false);
    }
  }

  double gap() const { return place.cell >= 14 ? 1 : 0.5; }
};

void draw_legend(canvas& on, double x, double y) {
  constexpr std::array shown{0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0};
  on.text(x, y, "weight", 12, faint_ink, anchor::start, false);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const double left = x + 56 + 42 * double(i);
    on.rectangle(left, y - 7, 41, 14, heat(shown[i]));
    on.text(left + 20, y, fmt::format("{:.0f}%", 100 * shown[i]), 10, shown[i] > 0.2 ? white : ink, anchor::middle,
            false);
  }
}

}  // namespace

std::vector<long> head_choice::layers(const attention_map& map) const {
  return layer ? std::vector<long>{*layer} : all_of(map.layers());
}

std::vector<long> head_choice::heads(const attention_map& map) const {
  return head ? std::vector<long>{*head} : all_of(map.heads());
}

heat_map_layout layout_of(const attention_map& map, const head_choice& choice) {
  heat_map_layout place;
  const auto longest = double(std::max({map.queries.size(), map.keys.size(), std::size_t(1)}));
  place.cell = choice.single() ? std::clamp(std::floor(860 / longest), 14.0, 72.0)
                               : std::clamp(std::floor(280 / longest), 10.0, 44.0);
  place.font = std::min(0.88 * place.cell, 15.0);
  const int query_columns = widest_of(labels_of(map.queries)), key_columns = widest_of(labels_of(map.keys));
  const double column = 0.62 * place.font;
  place.upwards = key_columns * column > place.cell;
  place.left = query_columns * column + 10;
  place.above = place.upwards ? key_columns * column + 8 : place.font + 6;
  // The title over a panel takes about as much as 32 characters.
  place.panel_width = std::max(place.left + double(map.keys.size()) * place.cell, place.left + 32 * 8.0) + margin;
  place.panel_height = title + place.above + double(map.queries.size()) * place.cell + margin;
  place.width = std::max(2 * margin + double(choice.heads(map).size()) * place.panel_width - margin, 460.0);
  place.height = header + double(choice.layers(map).size()) * place.panel_height + margin / 2;
  return place;
}

void draw_heat_maps(canvas& on, const attention_map& map, const head_choice& choice) {
  const heat_map_layout place = layout_of(map, choice);
  const auto queries = labels_of(map.queries), keys = labels_of(map.keys);
  on.text(margin, 26, choice.single() ? "What this head looks at" : "What each head looks at", 18, ink, anchor::start,
          true);
  draw_legend(on, margin, 54);
  double y = header + title + place.above;
  for (const long layer : choice.layers(map)) {
    double x = margin + place.left;
    for (const long head : choice.heads(map)) {
      panel{map, place, layer, head, x, y}.draw(on, queries, keys);
      x += place.panel_width;
    }
    y += place.panel_height;
  }
}

void save_heat_maps_as_svg(const std::filesystem::path& path, const attention_map& map, const head_choice& choice) {
  const heat_map_layout place = layout_of(map, choice);
  svg_canvas on(place.width, place.height,
                "What each head looks at: every row is a token that looks, every column a token looked at");
  draw_heat_maps(on, map, choice);
  write_text(path, on.document());
}

void save_heat_maps_as_png(const std::filesystem::path& path, const attention_map& map, const head_choice& choice) {
  const heat_map_layout place = layout_of(map, choice);
  png_canvas on(place.width, place.height, 2);
  draw_heat_maps(on, map, choice);
  on.save(path);
}

}  // namespace qkv::cli
