#!/usr/bin/env python3
"""Draws docs/pictures/*.svg from results/*.json.

    scripts/plot_results.py            draw every picture whose results are there
    scripts/plot_results.py --check    draw nothing; exit 1 and say which pictures differ from their results
"""
import os
import sys

import figures
import svg_chart as chart

ROOT = figures.ROOT


def origin(result):
    """What it was measured on, in a few words."""
    machine = result["machine"]
    return (f"{machine['processor']}, {machine['cores']} cores; {result['instruction_set']}, "
            f"{result['threads']} threads; commit {result['commit']}, {result['date']}")


def speed(result):
    """Bars: how many times as fast as PyTorch, by shape."""
    rows = []
    for row in result["rows"]:
        value, mark = row.get("ratio"), row.get("ratio_default")
        if isinstance(value, (int, float)):
            rows.append((row["name"], value, mark if isinstance(mark, (int, float)) else None, f"{value:.2f} x"))
    marked = any(row[2] is not None for row in rows)
    titles = {column["key"]: column["title"] for column in result["columns"]}
    title = "Attention: " + titles["ratio"] + (f" (stroke: {titles['ratio_default']})" if marked else "")
    return chart.bars(title, origin(result), rows, 1.0, "as fast")


def by_tens(values):
    """Powers of ten around the values, as ticks."""
    power, ticks = 10 ** -3, []
    while power <= max(values):
        if power >= min(values):
            ticks.append((power, f"{power:,.0f}" if power >= 1 else f"{power:g}"))
        power *= 10
    return ticks


def growth(result):
    """Two panels: time and memory by tokens, fused and N x N."""
    tokens = [row["tokens"] for row in result["rows"]]
    ticks = [(n, f"{n:,}") for n in tokens]
    parts = chart.legend(20, 76, [(chart.OURS, "fused"), (chart.THEIRS, "N x N")])
    headings = {"ms": "Milliseconds, by tokens", "mib": "MiB beyond the inputs, by tokens"}
    for n, (unit, heading) in enumerate(headings.items()):
        fused, square = ([row[f"{kind}_{unit}"] for row in result["rows"]] for kind in ("fused", "square"))
        curves = [(chart.OURS, list(zip(tokens, fused))), (chart.THEIRS, list(zip(tokens, square)))]
        box = (70 + 375 * n, 120, 360 + 375 * n, 330)
        parts += chart.panel(box, heading, curves, ticks, by_tens(fused + square), True)
    return chart.picture(370, "Attention and its gradients as sequences grow, one head", origin(result), parts)


def training_curves(result):
    """Validation loss by step, qkv and PyTorch, one curve a seed."""
    steps = [int(row["name"]) for row in result["rows"]]
    curves = []
    for column in result["columns"]:
        colour = chart.OURS if column["key"].startswith("qkv") else chart.THEIRS
        curves.append((colour, [(step, row[column["key"]]) for step, row in zip(steps, result["rows"])]))
    curves.sort(key=lambda curve: curve[0] == chart.OURS)  # ours on top
    losses = [loss for _, curve in curves for _, loss in curve]
    fifths = range(int(min(losses) * 5), int(max(losses) * 5) + 2)
    parts = chart.legend(20, 76, [(chart.OURS, "qkv, a curve a seed"), (chart.THEIRS, "PyTorch")])
    parts += chart.panel((70, 120, 730, 400), "Validation loss in nats a character, by step", curves,
                         [(step, f"{step:,}") for step in steps if step % 500 == 0],
                         [(n / 5, f"{n / 5:.1f}") for n in fifths], False)
    return chart.picture(440, "Learning characters: 4 layers, 4 heads, width 128", origin(result), parts)


def curves_by(result, place):
    """[(colour, title, points)], a curve a column; the column of attention comes first, and is ours."""
    columns = [column for column in result["columns"] if column["key"] not in (place, "others", "texts")]
    columns.sort(key=lambda column: column["key"] != "attention")
    colours = [chart.OURS, *chart.OTHERS]
    return [(colour, column["title"], [(row[place], row[column["key"]]) for row in result["rows"]
              if isinstance(row.get(column["key"]), (int, float))])
            for colour, column in zip(colours, columns)]


def gradients(result):
    """How far back a gradient reaches, log10 by distance; below 10^-20 all the same."""
    curves = [(colour, title, [point for point in points if point[1] >= -20])
              for colour, title, points in curves_by(result, "distance")]
    distances = [(n, f"{n}") for n in (1, 64, 128, 192, 256)]
    powers = [(n, f"10^{n}" if n else "1") for n in range(-20, 1, 5)]
    parts = chart.legend(20, 76, [(colour, title) for colour, title, _ in curves])
    parts += chart.panel((70, 120, 730, 330), "Gradient of the last outcome by a token's distance, that of the nearest being 1",
                         [(colour, points) for colour, _, points in curves], distances, powers, False)
    return chart.picture(370, "How far back a gradient reaches, before anything is learned", origin(result), parts)


def bottleneck(result):
    """BLEU by the number of words of what is translated, a curve a model."""
    curves = curves_by(result, "words")
    scores = [score for _, _, points in curves for _, score in points]
    tens = range(int(min(scores)) // 10 * 10, int(max(scores)) // 10 * 10 + 20, 10)
    parts = chart.legend(20, 76, [(colour, title) for colour, title, _ in curves])
    parts += chart.panel((70, 120, 730, 330), "Lower-cased sacreBLEU by words of the source, five parts of the test set",
                         [(colour, points) for colour, _, points in curves],
                         [(row["words"], f"{row['words']:.0f}") for row in result["rows"]],
                         [(n, str(n)) for n in tens], False)
    return chart.picture(370, "The bottleneck: GRU with and without attention, Multi30k de-en", origin(result), parts)


def recurrence(result):
    """Milliseconds forward and backward by tokens."""
    curves = curves_by(result, "tokens")
    times = [time for _, _, points in curves for _, time in points]
    parts = chart.legend(20, 76, [(colour, title) for colour, title, _ in curves])
    parts += chart.panel((70, 120, 730, 330), "Milliseconds forward and backward, by tokens",
                         [(colour, points) for colour, _, points in curves],
                         [(row["tokens"], f"{row['tokens']:,}") for row in result["rows"]], by_tens(times), True)
    return chart.picture(370, "A layer of width 512, one sequence", origin(result), parts)


PICTURES = [("speed_avx2", "attention_avx2", speed), ("speed_avx512", "attention_avx512", speed),
            ("growth", "growth_avx2", growth), ("training_curves", "training_curves_avx2", training_curves),
            ("gradient_distance", "gradient_distance_avx2", gradients),
            ("recurrence_time", "recurrence_time_avx2", recurrence),
            ("bottleneck", "learning_bottleneck", bottleneck)]


def main():
    check, wrong = "--check" in sys.argv[1:], []
    for name, results, draw in PICTURES:
        if not os.path.exists(os.path.join(ROOT, "results", results + ".json")):
            continue
        try:
            drawn = draw(figures.load(results, ROOT))
        except figures.Mistake as mistake:
            sys.exit(f"plot_results: {mistake}")
        path = os.path.join(ROOT, "docs", "pictures", name + ".svg")
        if check:
            if not os.path.exists(path) or open(path, encoding="utf-8").read() != drawn:
                wrong.append(f"docs/pictures/{name}.svg differs from results/{results}.json; "
                             "run scripts/plot_results.py")
            continue
        with open(path, "w", encoding="utf-8") as file:
            file.write(drawn)
        print(f"drew docs/pictures/{name}.svg")
    for sentence in wrong:
        print(sentence)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
