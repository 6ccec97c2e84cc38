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


PICTURES = [("speed_avx2", "attention_avx2", speed), ("speed_avx512", "attention_avx512", speed),
            ("growth", "growth_avx2", growth), ("training_curves", "training_curves_avx2", training_curves)]


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
