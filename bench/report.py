"""The table."""
import statistics

from workloads import WORKLOADS

LABELS = {"native": "native", "qemu": "QEMU", "ours": "run-foreign"}
# What counts as a long workload, in seconds natively.
LONG = 0.5


def rivals(results):
    return [name for name in ("qemu", "ours") if name in results.meta["emulators"]]


def measured(results):
    """The workloads in this file, in their usual order."""
    names = {workload for workload, _, _ in results.runs}
    return [w for w in WORKLOADS if w.name in names]


def geometric_mean(values):
    return statistics.geometric_mean(values) if values else None


def median_ratios(results, workloads, emulator, metric):
    """Medians over the workloads where no rival failed, so that the means compare the same set."""
    out = []
    for w in workloads:
        if any(results.error(w.name, e) for e in rivals(results)):
            continue
        ratios = results.ratios(w.name, emulator, metric)
        if ratios:
            out.append(statistics.median(ratios))
    return out


def summaries(results, workloads, metric):
    """Kinds of workloads that a mean is worth giving of: title and workloads."""
    starts = [w for w in workloads if w.group == "start"]
    long = [w for w in workloads if (results.median(w.name, "native", metric) or 0) >= LONG and w.group != "start"]
    return [(title, some) for title, some in (("starts", starts), (f"{LONG:g} s or more natively", long), ("all", workloads)) if some]


def table(results, metric="wall"):
    """The Markdown table with its notes: the means first, then the workloads by group."""
    names, rows = rivals(results), []
    both = len(names) == 2
    head = ["workload", "what", "native", *(LABELS[n] + " ×" for n in names), *(["QEMU ÷ run-foreign"] if both else [])]
    rows.append("| " + " | ".join(head) + " |")
    rows.append("|---|---|" + "---:|" * (len(head) - 2))
    workloads = measured(results)
    for title, some in summaries(results, workloads, metric):
        means = [geometric_mean(median_ratios(results, some, n, metric)) for n in names]
        if names and all(means):
            cells = [f"**{title}**", "geometric mean", "", *(f"**{m:.2f}**" for m in means), *([f"**{means[0] / means[1]:.1f}**"] if both else [])]
            rows.append("| " + " | ".join(cells) + " |")
    group = None
    for w in workloads:
        if w.group != group:
            group = w.group
            rows.append(f"| *{group}* |" + " |" * (len(head) - 1))
        cells = [f"`{w.name}`", w.what, _seconds(results.median(w.name, "native", metric)), *(_ratio(results, w.name, n, metric) for n in names)]
        if both:
            cells.append(_gain(results, w.name, metric))
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n\n" + _notes(results, workloads, names, metric)


def _seconds(value):
    if value is None:
        return "–"
    return f"{value * 1000:.2f} ms" if value < 0.1 else f"{value:.2f} s"


def _ratio(results, workload, emulator, metric):
    values = results.ratios(workload, emulator, metric)
    if results.error(workload, emulator):
        return "fails"
    if not values:
        return "–"
    spread = f" ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.2f}{spread}"


def _gain(results, workload, metric):
    pairs = [(q, results.get(workload, q["round"], "ours")) for q in results.of(workload, "qemu") if q["ok"]]
    values = [q[metric] / o[metric] for q, o in pairs if o and o["ok"] and o[metric] > 0]
    return f"{statistics.median(values):.1f}" if values else "–"


def _notes(results, workloads, names, metric):
    meta = results.meta
    kind = "wall-clock time" if metric == "wall" else "processor time of all threads (user and system)"
    lines = [f"Median (minimum–maximum) of the ratios to native {kind} of the same round; rounds: {meta['rounds']}. "
             "Means leave out workloads that fail under either emulator."]
    failures = [f"- `{w.name}` under {LABELS[n]}: {results.error(w.name, n)}" for w in workloads for n in names if results.error(w.name, n)]
    if failures:
        lines += ["", "Failures:", "", *failures]
    runs = [r for r in results.runs.values() if r["ok"]]
    lines += ["", f"{meta['date'][:16].replace('T', ' ')}; {meta['cpus']} × {meta['cpu']}, {meta['memory_mb'] // 1024} GB, Linux {meta['kernel']}; "
              + "; ".join(f"{LABELS[n]}: {facts['version']}" for n, facts in meta["emulators"].items() if n != "native")
              + f"; commit {meta['commit']}; command `{meta['command']}`."]
    if runs and all("others" in r for r in runs):
        share = sum(r["others"] for r in runs) / sum(r["elapsed"] for r in runs)
        lines += ["", f"While the workloads ran, other processes took {100 * share:.1f} % of one processor (the bench's own among them)."]
        if share > 0.1:
            lines += ["", "**The machine was not idle**: these figures are only indicative."]
    elif runs:
        lines += ["", f"Load up to {max(r['load'] for r in runs):.1f}, the workloads' own included."]
    return "\n".join([*lines, *_memory(results, workloads, names)]) + "\n"


def _memory(results, workloads, names):
    """Peak resident memory of a start's largest process, and the sum over all processes where that was measured."""
    order = ["native", *names]

    def rows(title, some, field):
        if not some:
            return []
        out = ["", title, "", "| workload | " + " | ".join(LABELS[n] for n in order) + " |", "|---|" + "---:|" * len(order)]
        for w in some:
            peaks = [results.median(w.name, n, field) for n in order]
            out.append(f"| `{w.name}` | " + " | ".join("–" if p is None else f"{p / 1024:.1f}" for p in peaks) + " |")
        return out

    starts = [w for w in workloads if w.group == "start"]
    watched = [w for w in workloads if any(results.median(w.name, n, "sum_kb") for n in order)]
    return (rows("Peak resident memory of a start, MB:", starts, "peak_kb")
            + rows("Peak memory of all processes together (each shared page divided among those who share it), MB:", watched, "sum_kb"))
