"""Charts as SVG text: horizontal bars, and lines.  The standard library only."""
import html
import math

WIDTH = 760
OURS, THEIRS, GREY, INK = "#1f6feb", "#e5793a", "#8b949e", "#24292f"
OTHERS = ["#e5793a", "#8250df", "#1a7f37"]  # of several rivals


def text(x, y, words, size=13, anchor="start", colour=INK, weight="normal"):
    """One line of text."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{html.escape(words)}</text>')


def line(x1, y1, x2, y2, colour=GREY, width=1.0, dash=""):
    """A straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{width}"{dashes}/>'


def picture(height, title, subtitle, parts):
    """A whole picture on a white ground, so that it can be read on any page."""
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'font-family="Helvetica, Arial, sans-serif" fill="none" role="img" aria-label="{html.escape(title)}">')
    ground = f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>'
    words = [text(20, 30, title, 17, weight="bold"), text(20, 50, subtitle, 12, colour="#57606a")]
    return "\n".join([head, ground, *words, *parts, "</svg>"]) + "\n"


def bars(title, subtitle, rows, reference, reference_words):
    """Rows of (name, value, mark or None, words); a dashed line stands at `reference`."""
    left, right, top, step = 270, WIDTH - 90, 84, 26
    height = top + step * len(rows) + 30
    most = max([value for _, value, _, _ in rows] + [mark or 0 for _, _, mark, _ in rows] + [reference]) * 1.05

    def place(value):
        return left + (right - left) * value / most

    parts = [line(place(reference), top - 12, place(reference), height - 24, dash="4 3"),
             text(place(reference), top - 18, reference_words, 11, "middle", "#57606a")]
    for n, (name, value, mark, words) in enumerate(rows):
        y = top + step * n
        colour = OURS if value >= reference else THEIRS
        parts.append(text(left - 10, y + 13, name, 12, "end"))
        parts.append(f'<rect x="{left}" y="{y:.1f}" width="{place(value) - left:.1f}" height="17" rx="2" '
                     f'fill="{colour}"/>')
        if mark is not None:
            parts.append(line(place(mark), y - 2, place(mark), y + 19, INK, 2.0))
        parts.append(text(max(place(value), place(mark or 0)) + 8, y + 13, words, 12, weight="bold"))
    return picture(height, title, subtitle, parts)


class Axis:
    """Numbers to places, linear or logarithmic."""

    def __init__(self, values, begin, end, logarithmic):
        self.transform = math.log if logarithmic else float
        low, high = min(values), max(values)
        margin = 0 if logarithmic else 0.04 * (high - low)
        self.low, self.high = self.transform(low - margin), self.transform(high + margin)
        self.begin, self.end = begin, end

    def __call__(self, value):
        share = (self.transform(value) - self.low) / ((self.high - self.low) or 1)
        return self.begin + (self.end - self.begin) * share


def panel(box, heading, curves, x_ticks, y_ticks, logarithmic):
    """Curves [(colour, [(x, y), ...])] in box (left, top, right, bottom); ticks are [(value, words)]."""
    left, top, right, bottom = box
    points = [point for _, curve in curves for point in curve]
    x = Axis([p[0] for p in points] + [value for value, _ in x_ticks], left, right, logarithmic)
    y = Axis([p[1] for p in points] + [value for value, _ in y_ticks], bottom, top, logarithmic)
    parts = [text(left, top - 12, heading, 13, weight="bold")]
    for value, words in y_ticks:
        parts += [line(left, y(value), right, y(value), "#d8dee4"), text(left - 8, y(value) + 4, words, 11, "end")]
    for value, words in x_ticks:
        parts.append(text(x(value), bottom + 18, words, 11, "middle"))
    for colour, curve in curves:
        way = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in curve)
        parts.append(f'<path d="M{way}" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
    return parts


def legend(x, y, entries):
    """Coloured strokes with words: [(colour, words)]."""
    parts = []
    for colour, words in entries:
        parts += [line(x, y - 4, x + 22, y - 4, colour, 3.0), text(x + 28, y, words, 12)]
        x += 48 + 7 * len(words)
    return parts
