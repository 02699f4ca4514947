"""The plot: one row per workload, time as a multiple of native on a logarithmic scale, drawn as SVG by hand."""
import math
import statistics
from html import escape

from report import LABELS, geometric_mean, measured, median_ratios, rivals, summaries

WIDTH, LEFT, RIGHT, TOP, ROW, GAP = 980, 220, 70, 92, 22, 26
COLOURS = {"qemu": "#c8553d", "ours": "#1b7f8c"}
TICKS = (0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500)
FONT = 'font-family="Helvetica, Arial, sans-serif"'


class Scale:
    """Ratios to pixels."""

    def __init__(self, values):
        least, most = min([0.95, *values]), max([3, *values])
        self.low = max((t for t in TICKS if t <= least), default=least * 0.9)
        self.high = min((t for t in TICKS if t >= most * 1.05), default=most * 1.2)

    def __call__(self, ratio):
        span = math.log(self.high / self.low)
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(ratio / self.low) / span


def draw(results, metric="wall"):
    """The SVG text: the means above, then the workloads by group."""
    names, workloads = rivals(results), measured(results)
    ratios = {(w.name, n): results.ratios(w.name, n, metric) for w in workloads for n in names}
    scale = Scale([v for values in ratios.values() for v in values])
    parts, y, group = [], TOP, None
    for title, some in summaries(results, workloads, metric):
        means = {n: geometric_mean(median_ratios(results, some, n, metric)) for n in names}
        if any(means.values()):
            parts += _row(f"mean: {title}", y, {n: [m] for n, m in means.items() if m}, scale, set(), bold=True)
            y += ROW + 4
    for w in workloads:
        if w.group != group:
            y += GAP
            parts.append(f'<line x1="20" x2="{WIDTH - 20}" y1="{y - 19}" y2="{y - 19}" stroke="#bbb"/>')
            parts.append(f'<text x="20" y="{y - 5}" font-size="12" font-style="italic" fill="#555">{escape(w.group)}</text>')
        group = w.group
        parts += _row(w.name, y, {n: ratios[w.name, n] for n in names}, scale, {n for n in names if results.error(w.name, n)})
        y += ROW
    return "\n".join([*_frame(results, names, scale, y, metric), *parts, "</svg>"]) + "\n"


def _frame(results, names, scale, bottom, metric):
    kind = "wall-clock" if metric == "wall" else "processor"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 44}" viewBox="0 0 {WIDTH} {bottom + 44}" {FONT} font-size="13">',
           f'<rect width="{WIDTH}" height="{bottom + 44}" fill="#fff"/>',
           f'<text x="20" y="28" font-size="18" font-weight="bold">arm64 programs on amd64: {kind} time as a multiple of native</text>',
           f'<text x="20" y="48" fill="#555">Logarithmic scale, left is faster, 1 = native. {escape(results.meta["cpu"])}, {results.meta["date"][:10]}.</text>']
    x = 20
    for name in names:
        label = results.meta["emulators"][name]["version"] if name == "qemu" else LABELS[name]
        out.append(f'<circle cx="{x + 6}" cy="66" r="6" fill="{COLOURS[name]}"/><text x="{x + 18}" y="70.5" font-weight="bold" fill="{COLOURS[name]}">{escape(label)}</text>')
        x += 40 + 8 * len(label)
    for tick in TICKS:
        if scale.low <= tick <= scale.high:
            at, strong = scale(tick), tick == 1
            out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 12}" y2="{bottom}" stroke="{"#222" if strong else "#ddd"}" stroke-width="{2 if strong else 1}"/>')
            out.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{tick:g}×</text>')
    return out


def _row(label, y, ratios, scale, failed, bold=False):
    middle, weight = y + ROW / 2 - 4, ' font-weight="bold"' if bold else ""
    out = [f'<text x="{LEFT - 10}" y="{middle + 4.5:.1f}" text-anchor="end"{weight}>{escape(label)}</text>']
    medians = {n: statistics.median(v) for n, v in ratios.items() if v and n not in failed}
    if len(medians) == 2:
        ends = sorted(medians.values())
        out.append(f'<line x1="{scale(ends[0]):.1f}" x2="{scale(ends[1]):.1f}" y1="{middle}" y2="{middle}" stroke="#ccc" stroke-width="2"/>')
    highest = max(medians.values(), default=0)
    for name, value in medians.items():
        colour, values = COLOURS[name], ratios[name]
        if len(values) > 1:
            out.append(f'<line x1="{scale(min(values)):.1f}" x2="{scale(max(values)):.1f}" y1="{middle}" y2="{middle}" stroke="{colour}" stroke-width="4" stroke-opacity="0.4"/>')
        out.append(f'<circle cx="{scale(value):.1f}" cy="{middle}" r="{6 if bold else 5}" fill="{colour}"/>')
        edge, anchor = (scale(max(values)) + 9, "start") if value == highest else (scale(min(values)) - 9, "end")
        out.append(f'<text x="{edge:.1f}" y="{middle + 4:.1f}" text-anchor="{anchor}" font-size="11" fill="{colour}"{weight}>{value:.2g}</text>'
                   if value < 10 else
                   f'<text x="{edge:.1f}" y="{middle + 4:.1f}" text-anchor="{anchor}" font-size="11" fill="{colour}"{weight}>{value:.0f}</text>')
    for index, name in enumerate(sorted(failed)):
        out.append(f'<text x="{scale(1) + 8 + index * 130:.1f}" y="{middle + 4:.1f}" font-size="11" fill="{COLOURS[name]}">{escape(LABELS[name])} fails</text>')
    return out
