"""What the annotate benchmark found: targets, tables, a chart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import peers
from measure import ratio
from plot import Panel, bar_charts
from workshop import FULL_RECORDS


@dataclass(frozen=True)
class Target:
    """A limit for the time of one command over another's."""

    query: str
    slow: str
    fast: str
    limit: float
    at_least: bool = True


TARGETS = (
    Target("q68k", peers.FORMER, peers.OURS_VCF, 4.5),
    Target("q1m", peers.FORMER, peers.OURS_VCF, 4),
    Target("qcoh", peers.FORMER, peers.OURS_VCF, 3.5),
    Target("qx340", peers.FORMER, peers.OURS_VCF, 7),
    Target("q68k", peers.BCF, peers.OURS_VCF, 7),
    Target("q1m", peers.BCF, peers.OURS_VCF, 3),
    Target("qcoh", peers.BCF, peers.OURS_VCF, 4.5),
    Target("q1m", peers.BCF_6, peers.OURS_6, 2.2),
    Target("q68k", peers.VCF, peers.OURS_VCF, 18),
    Target("q68k", peers.VCFANNO, peers.OURS_VCF, 20),
    Target("qx340", peers.BCF_REGIONS, peers.OURS_VCF, 1.5),
    Target("qx340", peers.VCFANNO, peers.OURS_VCF, 1),
    Target("qx340", peers.SNPSIFT, peers.OURS_VCF, 6),
    Target("q68k", peers.ECHTVAR, peers.OURS_VCF, 1),
    Target("q1m", peers.ECHTVAR, peers.OURS_VCF, 1),
    Target("qcoh", peers.ECHTVAR, peers.OURS_VCF, 1),
    Target("q68k", peers.OURS_VCF, peers.FLOOR, 2.8, at_least=False),
    Target("q1m", peers.OURS_VCF, peers.FLOOR, 2.2, at_least=False),
    Target("q1m", peers.OURS_TABLE, peers.OURS_VCF, 1.5, at_least=False),
)
MAX_IDLE_SEC = 0.1
MAX_EXOME_READ = 0.15
MAX_GROWTH_OUTSIDE = 1.1
"""None is aimed at; this much is noise."""


def judge(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the targets that this run can tell about, and whether it got there."""
    rows = []
    for target in TARGETS:
        timed = results["queries"].get(target.query, {}).get("rounds", {})
        if target.slow not in timed or target.fast not in timed:
            continue
        found = ratio(timed, target.slow, target.fast)
        cpu = ratio(timed, target.slow, target.fast, "cpu_sec")
        hit = found >= target.limit if target.at_least else found <= target.limit
        name = f"{target.query}: {target.slow} / {target.fast}"
        rows.append(verdict(name, target.at_least, target.limit, found, hit, cpu))
    idle = results["idle"]["wall_sec"]
    rows.append(
        verdict(
            "a VCF without records, in seconds", False, MAX_IDLE_SEC, idle, idle <= MAX_IDLE_SEC
        )
    )
    if "qx340" in results["queries"]:
        read = results["queries"]["qx340"]["median"][peers.OURS_VCF]["read_mb"]
        share = (read - results["idle"]["read_mb"]) * 1e6 / results["store_bytes"]
        name = "qx340: bytes read / the store's"
        rows.append(verdict(name, False, MAX_EXOME_READ, share, share <= MAX_EXOME_READ))
    outside = [row for row in results["growth"] if row["kind"] == "outside"]
    for name, key in (("wall time", "wall_to_first"), ("peak memory", "peak_to_first")):
        if outside:
            found = max(row[key] for row in outside)
            name = f"growth of {name} with the reference outside the query's span"
            hit = found <= MAX_GROWTH_OUTSIDE
            rows.append(verdict(name, False, MAX_GROWTH_OUTSIDE, found, hit))
    return rows


def verdict(
    name: str, at_least: bool, limit: float, found: float, hit: bool, cpu: float | None = None
) -> dict[str, Any]:
    wanted = f"{'at least' if at_least else 'at most'} {limit:g}"
    row = {"target": name, "wanted": wanted, "found": round(found, 3), "hit": hit}
    return row if cpu is None else {**row, "found_cpu": round(cpu, 3)}


def show(results: dict[str, Any]) -> None:
    machine = results["machine"]
    click.echo(
        f"{results['records']} published records; {machine['cores']} cores; load average "
        f"{machine['load_before']:.1f} before, {machine['load_after']:.1f} after; "
        f"medians of {results['num_rounds']} rounds"
    )
    click.echo("; ".join(results["versions"].values()))
    idle = results["idle"]
    click.echo(
        f"ours, a VCF without records: {idle['wall_sec']:.2f} s, cpu {idle['cpu_sec']:.2f} s, "
        f"peak {idle['peak_mb']:.0f} MB, {idle['read_mb']:.0f} MB read (mostly code)"
    )
    for name, query in results["queries"].items():
        click.echo(f"\n{name}, {query['variants']} variants")
        click.echo(f"{'':24} {'wall s':>7} {'x ours':>6} {'cpu s':>7} {'x ours':>6} {'peak MB':>7} "
                   f"{'read MB':>7} {'out MB':>7} {'annotated':>9} {'agree of common':>15}")  # fmt: skip
        for label, row in query["median"].items():
            told = ""
            if "agree" in row:
                told = f"{row['annotated']:9} {row['agree']:7}/{row['common']}"
                told += "".join(
                    f", {row[key]} {text}"
                    for key, text in (
                        ("fewer_ids", "lack an ID"),
                        ("blind_ids", "with a wrong ID"),
                        ("more_ids", "seen through another spelling"),
                    )
                    if row[key]
                )
            click.echo(
                f"{label:24} {row['wall_sec']:7.2f} {row['wall_to_ours']:6.2f} {row['cpu_sec']:7.2f} "
                f"{row['cpu_to_ours']:6.2f} {row['peak_mb']:7.0f} {row['read_mb']:7.0f} "
                f"{row['output_bytes'] / 1e6:7.2f} {told}"
            )
    if results["growth"]:
        click.echo(f"\n{'how it grows':42} {'wall s':>7} {'x first':>7} {'cpu s':>7} {'peak MB':>7} "
                   f"{'read MB':>7} {'store MB':>8}")  # fmt: skip
    for row in results["growth"]:
        click.echo(f"{row['case']:42} {row['wall_sec']:7.2f} {row['wall_to_first']:7.2f} {row['cpu_sec']:7.2f} "
                   f"{row['peak_mb']:7.0f} {row['read_mb']:7.0f} {row['store_bytes'] / 1e6:8.0f}")  # fmt: skip
    used = {label for query in results["queries"].values() for label in query["median"]}
    click.echo(
        "\nWhat the tools do not do (all agree on what all can express, or nothing is timed)"
    )
    for label, text in peers.LIMITS.items():
        if label in used:
            click.echo(f"{label:24} {text}")
    click.echo("\nTargets" + ("" if results["records"] == FULL_RECORDS else
                              f" (they were set for {FULL_RECORDS} records)"))  # fmt: skip
    for row in results["targets"]:
        cpu = f" (cpu {row['found_cpu']:.2f})" if "found_cpu" in row else ""
        verdict = "hit" if row["hit"] else "MISS"
        click.echo(f"{verdict:4}  {row['target']}: {row['found']:.2f}{cpu}, {row['wanted']}")


def chart(results: dict[str, Any]) -> str:
    panels = []
    for name, query in results["queries"].items():
        bars = [
            (label, row["wall_sec"], f"{row['wall_sec']:.2f} s, {row['peak_mb']:.0f} MB", label.startswith("ours"))
            for label, row in query["median"].items()
        ]  # fmt: skip
        panels.append(Panel(f"{name}, {query['variants']} variants: wall time, peak memory", bars))
    for kind, title in (
        ("query", "Growing query"),
        ("inside", "Growing reference, same number of variants all over it"),
        ("outside", "Reference growing outside the query's span"),
    ):
        bars = [
            (row["case"], row["wall_sec"],
             f"{row['wall_sec']:.2f} s, {row['peak_mb']:.0f} MB", True)
            for row in results["growth"] if row["kind"] == kind
        ]  # fmt: skip
        if bars:
            panels.append(Panel(title, bars))
    return bar_charts(f"Annotating, {results['records']} published records", panels)
