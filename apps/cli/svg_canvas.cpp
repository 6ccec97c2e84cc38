#include "apps/cli/svg_canvas.h"

#include <fmt/format.h>

#include <iterator>
#include <map>

#include "qkv/io/utf8.h"

namespace qkv::cli {
namespace {

std::string hex(colour c) { return fmt::format("#{:02x}{:02x}{:02x}", c.red, c.green, c.blue); }

// Nothing for ink: the picture says once that what it does not name is ink.
std::string fill_of(colour c) { return c == ink ? "" : fmt::format(" fill=\"{}\"", hex(c)); }

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '"')
      safe += "&quot;";
    else if (c == '\'')
      safe += "&#39;";
    else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F || c == 0xFFFE || c == 0xFFFF)
      append_utf8(safe, 0xFFFD);
    else
      append_utf8(safe, c);
  }
  return safe;
}

svg_canvas::svg_canvas(double width, double height, std::string_view title) {
  text_ = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "role=\"img\" fill=\"{3}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" "
      "shape-rendering=\"crispEdges\">\n<title>{2}</title>\n",
      width, height, escaped(title), hex(ink));
  rectangle(0, 0, width, height, white);
}

void svg_canvas::rectangle(double x, double y, double width, double height, colour fill) {
  fmt::format_to(std::back_inserter(text_), "<path fill=\"{}\" d=\"M{:.6g} {:.6g}h{:.4g}v{:.4g}h{:.4g}z\"/>\n",
                 hex(fill), x, y, width, height, -width);
}

// A path a colour: there every square is a short stroke, as wide as it is long, on a grid of ones.
void svg_canvas::squares(double x, double y, double step, double side, std::span<const square> all) {
  std::map<std::string, std::string> strokes;  // by colour
  for (const square& one : all)
    fmt::format_to(std::back_inserter(strokes[hex(one.fill)]), "M{} {}h{:.3g}", one.column, one.row, side / step);
  fmt::format_to(std::back_inserter(text_),
                 "<g transform=\"translate({:.6g} {:.6g}) scale({:.6g})\" stroke-width=\"{:.3g}\" "
                 "pointer-events=\"none\">\n",
                 x, y + side / 2, step, side / step);
  for (const auto& [colour, path] : strokes)
    fmt::format_to(std::back_inserter(text_), "<path stroke=\"{}\" d=\"{}\"/>\n", colour, path);
  text_ += "</g>\n";
}

void svg_canvas::text(double x, double y, std::string_view text, double size, colour fill, anchor at, bool bold) {
  const char* anchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
  fmt::format_to(std::back_inserter(text_), "<text x=\"{:.6g}\" y=\"{:.6g}\" font-size=\"{:.6g}\"{}{}{}>{}</text>\n", x,
                 y + 0.35 * size, size, fill_of(fill), anchors[int(at)], bold ? " font-weight=\"bold\"" : "",
                 escaped(text));
}

void svg_canvas::text_upwards(double x, double y, std::string_view text, double size, colour fill) {
  fmt::format_to(std::back_inserter(text_),
                 "<text transform=\"translate({:.6g} {:.6g}) rotate(-90)\" font-size=\"{:.6g}\"{}>{}</text>\n",
                 x + 0.35 * size, y, size, fill_of(fill), escaped(text));
}

void svg_canvas::begin_group(std::string_view tip) { text_ += "<g><title>" + escaped(tip) + "</title>"; }

void svg_canvas::end_group() { text_ += "</g>\n"; }

std::string svg_canvas::document() const { return text_ + "</svg>\n"; }

}  // namespace qkv::cli
