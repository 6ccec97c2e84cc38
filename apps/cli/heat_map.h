// Heat maps of attention weights: one panel a head, tokens along both sides.
#pragma once
#include <filesystem>
#include <optional>

#include "apps/cli/attention_map.h"
#include "apps/cli/canvas.h"

namespace qkv::cli {

/// Which heads: all of them, those of a layer, one head of every layer, or a single one.  Numbers count from 0.
struct head_choice {
  std::optional<long> layer, head;

  bool single() const { return layer && head; }
  std::vector<long> layers(const attention_map& map) const;
  std::vector<long> heads(const attention_map& map) const;
};

/// Where everything stands: a grid of panels, layers downwards and heads to the right.
struct heat_map_layout {
  double cell = 0, font = 0;                 ///< sides of a weight's square; height of labels
  double left = 0, above = 0;                ///< room for labels beside a panel
  double panel_width = 0, panel_height = 0;  ///< labels and title included
  double width = 0, height = 0;              ///< of the picture
  bool upwards = false;                      ///< labels of the keys are turned
};
heat_map_layout layout_of(const attention_map& map, const head_choice& choice);

void draw_heat_maps(canvas& on, const attention_map& map, const head_choice& choice);

/// Throw file_error.
void save_heat_maps_as_svg(const std::filesystem::path& path, const attention_map& map, const head_choice& choice);
void save_heat_maps_as_png(const std::filesystem::path& path, const attention_map& map, const head_choice& choice);

}  // namespace qkv::cli
