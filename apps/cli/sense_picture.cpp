#include "apps/cli/sense_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/cli/png_canvas.h"
#include "apps/cli/svg_canvas.h"
#include "qkv/io/text_file.h"

namespace qkv::cli {
namespace {

constexpr double margin = 24, header = 64, title = 24;

std::vector<long> chosen_or_all(const std::optional<long>& one, long count) {
  if (one) return {*one};
  std::vector<long> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0L);
  return all;
}

/// One head's weights, or those of the mean, by the greatest of them.
std::vector<float> by_greatest(std::vector<float> weights) {
  const float most = std::max(*std::ranges::max_element(weights), 1e-9f);
  for (float& w : weights) w /= most;
  return weights;
}

std::vector<float> weights_of(const sensed& s, long layer, long head) {
  const auto row = s.weights.select(0, layer).select(0, head).values<float>();
  return {row.begin(), row.end()};
}

/// How large a pixel is drawn, and a panel with it.
struct panel_sizes {
  double pixel, width, height;

  panel_sizes(const sensed& s, double across)
      : pixel(std::max(1.0, std::floor(across / double(std::max(s.pixels.dim(0), s.pixels.dim(1)))))),
        width(pixel * double(s.pixels.dim(1))),
        height(pixel * double(s.pixels.dim(0))) {}
};

/// The picture, tinted where it is looked at; without weights as it is.
void draw_panel(canvas& on, const sensed& s, const std::vector<float>& weights, double x, double y, double pixel) {
  constexpr colour light{255, 106, 0};
  const long height = s.pixels.dim(0), width = s.pixels.dim(1);
  const long cell_height = height / s.rows, cell_width = width / s.columns;
  const auto byte = [](float v) { return static_cast<unsigned char>(std::lround(255 * std::clamp(v, 0.0f, 1.0f))); };
  std::vector<square> squares;
  for (long row = 0; row < height; ++row)
    for (long column = 0; column < width; ++column) {
      const colour own{byte(s.pixels.at<float>(row, column, 0)), byte(s.pixels.at<float>(row, column, 1)),
                       byte(s.pixels.at<float>(row, column, 2))};
      const long token = row / cell_height * s.columns + column / cell_width;
      const double w = weights.empty() ? 0 : double(weights[std::size_t(token)]);
      squares.push_back({column, row, weights.empty() ? own : between(between(own, ink, 0.35), light, 0.75 * w)});
    }
  on.squares(x, y, pixel, pixel, squares);
}

void draw_all(canvas& on, const sensed& s, const head_choice& choice, const panel_sizes& size) {
  const double step_x = size.width + margin, step_y = size.height + title + margin;
  on.text(margin, 26, "What each head looks at in this " + s.what, 18, ink, anchor::start, true);
  on.text(margin, 48, "the more orange, the more; each panel by its own greatest weight", 12, faint_ink, anchor::start,
          false);
  const auto panel = [&](long row, long column, const std::string& name, const std::vector<float>& weights) {
    const double x = margin + double(column) * step_x, y = header + title + double(row) * step_y;
    on.text(x, y - 9, name, 13, ink, anchor::start, true);
    on.begin_group(name);
    draw_panel(on, s, weights, x, y, size.pixel);
    on.end_group();
  };
  panel(0, 0, "as it is", {});
  panel(0, 1, "mean", by_greatest(mean_weights(s, choice)));
  long row = 1;
  for (const long layer : chosen_or_all(choice.layer, s.layers())) {
    long column = 0;
    for (const long head : chosen_or_all(choice.head, s.heads()))
      panel(row, column++, fmt::format("layer {} head {}", layer + 1, head + 1),
            by_greatest(weights_of(s, layer, head)));
    ++row;
  }
}

struct page_sizes {
  double width, height;
};
page_sizes page_for(const sensed& s, const head_choice& choice, const panel_sizes& size) {
  const auto across = std::max<std::size_t>(2, chosen_or_all(choice.head, s.heads()).size());
  const auto down = 1 + chosen_or_all(choice.layer, s.layers()).size();
  return {std::max(margin + double(across) * (size.width + margin), 480.0),
          header + double(down) * (size.height + title + margin) + margin / 2};
}

panel_sizes sizes_for(const sensed& s, const head_choice& choice) { return {s, choice.single() ? 420.0 : 200.0}; }

/// The mean brightness of the pixels in a cell of a coarser grid.
double brightness(const sensed& s, long row, long column, long rows, long columns) {
  const long height = s.pixels.dim(0), width = s.pixels.dim(1);
  double sum = 0;
  long count = 0;
  for (long y = row * height / rows; y < std::max((row + 1) * height / rows, row * height / rows + 1); ++y)
    for (long x = column * width / columns; x < std::max((column + 1) * width / columns, column * width / columns + 1);
         ++x)
      for (long c = 0; c < 3; ++c) sum += double(s.pixels.at<float>(y, x, c)), ++count;
  return sum / double(count);
}

}  // namespace

std::vector<float> mean_weights(const sensed& s, const head_choice& choice) {
  const auto layers = chosen_or_all(choice.layer, s.layers()), heads = chosen_or_all(choice.head, s.heads());
  std::vector<float> mean(std::size_t(s.rows * s.columns));
  for (std::size_t token = 0; token < mean.size(); ++token) {
    double sum = 0;
    for (const long layer : layers)
      for (const long head : heads) sum += double(s.weight(layer, head, long(token)));
    mean[token] = float(sum / double(layers.size() * heads.size()));
  }
  return mean;
}

std::string picture_of(const sensed& s, const head_choice& choice, look how, int columns) {
  const bool beside = s.rows > 1;
  const long rows = beside ? s.rows : 10, room = beside ? (columns - 8) / 2 : columns - 4;
  const int cell = int(std::clamp(room / s.columns, 1L, 2L));
  const long shown = std::min(s.columns, room / cell);
  const auto weights = by_greatest(mean_weights(s, choice));
  const auto weight_line = [&](long row) {
    std::string line;
    for (long k = 0; k < shown; ++k) line += shade(double(weights[std::size_t(row * s.columns + k)]), cell, how);
    return line;
  };
  std::string picture;
  for (long row = 0; row < rows; ++row) {
    std::string line = "  ";
    // A darker cell is drawn fuller for a weight; a brighter one for a picture on a dark screen.
    for (long k = 0; k < shown; ++k) line += shade(std::pow(brightness(s, row, k, rows, s.columns), 2), cell, how);
    if (beside) line += "    " + weight_line(row);
    line.erase(line.find_last_not_of(' ') + 1);
    picture += line + "\n";
  }
  if (!beside) picture += "\n  " + weight_line(0) + "\n";
  if (shown < s.columns)
    picture += fmt::format("  the first {} of {} tokens; --svg and --png show all\n", shown, s.columns);
  return picture;
}

void save_sensed_as_svg(const std::filesystem::path& path, const sensed& s, const head_choice& choice) {
  const panel_sizes size = sizes_for(s, choice);
  const page_sizes page = page_for(s, choice, size);
  svg_canvas on(page.width, page.height, "What each head looks at in this " + s.what);
  draw_all(on, s, choice, size);
  write_text(path, on.document());
}

void save_sensed_as_png(const std::filesystem::path& path, const sensed& s, const head_choice& choice) {
  const panel_sizes size = sizes_for(s, choice);
  const page_sizes page = page_for(s, choice, size);
  png_canvas on(page.width, page.height, 2);
  draw_all(on, s, choice, size);
  on.save(path);
}

}  // namespace qkv::cli
