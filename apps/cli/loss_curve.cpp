#include "apps/cli/loss_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qkv::cli {
namespace {

using points_of_curve = std::vector<std::pair<double, double>>;

constexpr double width = 720, height = 400, left = 64, right = 20, top = 44, bottom = 44;

struct range {
  double low = 0, high = 1;
  double share(double x) const { return high > low ? (x - low) / (high - low) : 0.5; }
};

/// Distance between ticks: 1, 2 or 5 times a power of ten, about five of them.
double tick_step(const range& r) {
  const double rough = std::max((r.high - r.low) / 5, 1e-9), power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power) return factor * power;
  return 10 * power;
}

double x_of(const range& steps, double step) { return left + steps.share(step) * (width - left - right); }
double y_of(const range& losses, double loss) { return height - bottom - losses.share(loss) * (height - top - bottom); }

std::string path_of(const points_of_curve& curve, const range& steps, const range& losses) {
  std::string path;
  for (const auto& [step, loss] : curve)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x_of(steps, step),
                        y_of(losses, std::clamp(loss, losses.low, losses.high)));
  return path;
}

std::string label(double x, double y, const char* at, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, at, text);
}

std::string axes(const range& steps, const range& losses) {
  std::string out;
  const double by_loss = tick_step(losses), by_steps = tick_step(steps);
  for (double loss = std::ceil(losses.low / by_loss) * by_loss; loss <= losses.high; loss += by_loss) {
    const double y = y_of(losses, loss);
    out += fmt::format("<path class=\"grid\" d=\"M{} {:.1f} H{}\"/>\n", left, y, width - right);
    out += label(left - 8, y + 4, "end", fmt::format("{:.4g}", loss));
  }
  for (double step = std::ceil(steps.low / by_steps) * by_steps; step <= steps.high; step += by_steps)
    out += label(x_of(steps, step), height - bottom + 18, "middle", fmt::format("{:.0f}", step));
  return out + label((left + width - right) / 2, height - 8, "middle", "steps");
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

}  // namespace

std::string loss_curve_svg(const loss_points& points, const std::string& title) {
  range steps{1e300, 0}, losses{1e300, 0};
  for (const points_of_curve* curve : {&points.learned, &points.validated}) {
    for (const auto& [step, loss] : *curve) {
      steps.low = std::min(steps.low, step), steps.high = std::max(steps.high, step);
      losses.low = std::min(losses.low, loss), losses.high = std::max(losses.high, loss);
    }
  }
  if (steps.low > steps.high) steps = losses = {0, 1};
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\" "
      "fill=\"#5f6368\">\n<style>path{{fill:none}} .grid{{stroke:#dee0e4}} .learned{{stroke:#9aa0a6}} "
      ".validated{{stroke:#1a73e8;stroke-width:2}}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
      width, height);
  out += fmt::format("<text x=\"{}\" y=\"24\" font-size=\"14\" fill=\"#202124\">{}</text>\n", left, escaped(title));
  out += axes(steps, losses);
  out += fmt::format("<path class=\"learned\" d=\"{}\"/>\n", path_of(points.learned, steps, losses));
  out += fmt::format("<path class=\"validated\" d=\"{}\"/>\n", path_of(points.validated, steps, losses));
  for (const auto& [step, loss] : points.validated)
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"#1a73e8\"><title>step {:.0f}: {:.4f}</title>"
                       "</circle>\n",
                       x_of(steps, step), y_of(losses, loss), step, loss);
  out += "<text x=\"700\" y=\"24\" text-anchor=\"end\">loss of the batches <tspan fill=\"#9aa0a6\">&#9473;</tspan> "
         "validation loss <tspan fill=\"#1a73e8\">&#9473;</tspan></text>\n";
  return out + "</svg>\n";
}

}  // namespace qkv::cli
