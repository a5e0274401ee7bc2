"""Time `annotate` against other tools: same work, same data, same cores, in one run.

The data are generated: a release of one chromosome, and queries that have a real one's density on
it (68,000 variants where 15 million are published). Each tool runs at its best settings
(peers.py); every output is compared with the release before anything is timed (answers.py). The
tools take turns, A B C A B C, with a warm page cache; ratios are of runs in the same round. The
floor (floor.py) is the work that no engine on these files can avoid.

The targets were set for 15 million records on two cores that nothing else uses: look at the load
averages before believing a figure.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import answers
import click
import peers
from generate import Release, open_release
from genome import BATCH_RECORDS
from measure import (
    OURS,
    Measured,
    folder_bytes,
    interleaved,
    measure,
    medians,
    need,
    ratio,
    version_of,
)
from peers import Data, Run
from report import chart, judge, show
from workshop import CHROMOSOME, FULL_RECORDS, QUERIES, Workshop, say

RESULTS = Path(__file__).parent / "results"


def time_all(
    data: Data, runs: dict[str, Run], agreement: dict[str, dict[str, int]], rounds: int
) -> dict[str, Any]:
    """Time the commands for a query in turn."""
    timed = interleaved({label: run.command for label, run in runs.items()}, rounds)
    rows: dict[str, dict[str, Any]] = {}
    for label, row in medians(timed).items():
        rows[label] = {
            **row,
            "output_bytes": runs[label].output_bytes(),
            "wall_to_ours": ratio(timed, label, peers.OURS_VCF),
            "cpu_to_ours": ratio(timed, label, peers.OURS_VCF, "cpu_sec"),
            **agreement.get(label, {}),
        }
    for run in runs.values():
        for path in run.outputs:
            path.unlink()
    data.answer.unlink(missing_ok=True)
    return {"variants": data.num_variants, "median": rows, "rounds": timed}


def check(data: Data, runs: dict[str, Run], shop: Workshop) -> dict[str, dict[str, int]]:
    """Run every command once, which warms the page cache, and compare all answers."""
    common = answers.common_set(data.query, data.bcf, shop.folder)
    agreement = {}
    for label, run in runs.items():
        took = measure(run.command)
        say(f"  {label}: {took['wall_sec']:.1f} s")
        if label == peers.OURS_VCF:
            common = answers.add_ours(common, run.vcf)
            if data.floor:
                shop.floor_input(data, run.vcf)
        if label == peers.FLOOR:
            answers.check_same(run.vcf, runs[peers.OURS_VCF].vcf)
        else:
            agreement[label] = {
                **answers.compare(label, run.vcf, common),
                "annotated": answers.num_annotated(label, run.vcf),
            }
    return agreement


def measure_growth(
    shop: Workshop, release: Release, store: Path, rounds: int
) -> list[dict[str, Any]]:
    """Time our command as the query and the reference grow."""
    chromosome = release.chromosomes[CHROMOSOME]
    full = chromosome.num_records
    third = max(1, round(full / 3 / BATCH_RECORDS)) * BATCH_RECORDS
    # A batch of records depends on its number alone: the smaller chromosome is the larger's start.
    part = shop.release("third", [CHROMOSOME], third, chromosome.seed)
    more = shop.release("more", [CHROMOSOME, "20", "22"], third, chromosome.seed)
    small, large = shop.store(part, "store-third"), shop.store(more, "store-more")
    whole = QUERIES["q68k"]
    count = whole.count(full)
    queries = {
        times: shop.query(release, whole, times * count, f"grow-{times}x") for times in (1, 3, 10)
    }
    within = shop.query(part, whole, count, "grow-third")
    cases: dict[str, tuple[str, Path, Path]] = {
        f"query {times}x": ("query", path, store) for times, path in queries.items()
    }
    cases["all over 1/3 of the reference"] = ("inside", within, small)
    cases["all over the reference"] = ("inside", queries[1], store)
    cases["reference ends where the query does"] = ("outside", within, small)
    cases["and has two chromosomes more"] = ("outside", within, large)
    cases["or three times the chromosome"] = ("outside", within, store)
    out = shop.folder / "grow.vcf.gz"
    commands = {
        label: [*OURS, "annotate", "--vcf", str(query), "--reference", str(reference),
                "--out-vcf", str(out)]
        for label, (_, query, reference) in cases.items()
    }  # fmt: skip
    say("Timing how time and memory grow")
    timed = interleaved(commands, rounds)
    first: dict[str, str] = {}
    rows = []
    for label, row in medians(timed).items():
        kind, _, reference = cases[label]
        base = first.setdefault(kind, label)
        growth = ratio(timed, label, base)
        rows.append(
            {"case": label, "kind": kind, "store_bytes": folder_bytes(reference), **row,
             "wall_to_first": growth, "cpu_to_first": ratio(timed, label, base, "cpu_sec"), "peak_to_first": ratio(timed, label, base, "peak_mb")}
        )  # fmt: skip
    return rows


def versions(families: Sequence[str]) -> dict[str, str]:
    found = {
        "ours": f"ensembl-annotations {version('ensembl-annotations')}",
        "python": f"Python {platform.python_version()}",
        "polars": f"polars {version('polars')}",
        "pyarrow": f"pyarrow {version('pyarrow')}",
        "bcftools": version_of("bcftools"),
    }
    if "vcfanno" in families:
        lines = subprocess.run(["vcfanno"], capture_output=True, text=True, check=False).stderr
        found["vcfanno"] = next(line for line in lines.splitlines() if "version" in line)
    if "SnpSift" in families:
        found["SnpSift"] = version_of("snpSift", "annotate", "-h")
    if "echtvar" in families:
        found["echtvar"] = version_of("echtvar")
    return found


def _chosen(text: str, known: Sequence[str], what: str) -> list[str]:
    chosen = [item for item in text.split(",") if item]
    if unknown := [item for item in chosen if item not in known]:
        sys.exit(f"Unknown {what}: {', '.join(unknown)}. Known: {', '.join(known)}.")
    return chosen


@click.command(help=__doc__)
@click.option("--records", default=FULL_RECORDS, show_default=True, help="Published records.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A release with chromosome 21 that generate.py wrote; --records does not matter then.",
)
@click.option("--queries", help=f"By commas, of {', '.join(QUERIES)}; all where not given.")
@click.option("--tools", default=",".join(peers.FAMILIES), show_default=True,
              help="By commas; one that is not installed is left out.")  # fmt: skip
@click.option("--rounds", default=3, show_default=True, help="Interleaved rounds.")
@click.option("--growth/--no-growth", default=True, show_default=True,
              help="Time how our command grows with the query and the reference.")  # fmt: skip
@click.option("--quick", is_flag=True,
              help="A million records, q68k and qx340, one round, no growth: does it work?")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path, file_okay=False),
              help="Keep generated files here, for the next run with the same data and seed.")  # fmt: skip
@click.option("--store", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="A store of the release, instead of converting it.")  # fmt: skip
@click.option("--former", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="The program of a former release, in an environment of its own, to be timed beside this one.")  # fmt: skip
@click.option("--results", "folder", type=click.Path(path_type=Path, file_okay=False),
              default=RESULTS, help="Where annotate.json and annotate.svg go.")  # fmt: skip
def main(
    records: int, seed: int, data: Path | None, queries: str | None, tools: str, rounds: int,
    growth: bool, quick: bool, work: Path | None, store: Path | None, former: Path | None,
    folder: Path,
) -> None:  # fmt: skip
    need("bcftools", "tabix", "bgzip", "bash")
    if quick:
        records, rounds, growth, queries = 1_000_000, 1, False, queries or "q68k,qx340"
    names = _chosen(queries or ",".join(QUERIES), list(QUERIES), "query")
    wanted = _chosen(tools, list(peers.FAMILIES), "tool")
    families = [family for family in wanted if peers.has(family)]
    for family in wanted:
        if family not in families:
            say(f"{family} is not installed: left out")
    machine = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "load_before": os.getloadavg()[0],
    }  # fmt: skip
    with ExitStack() as stack:
        place = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        base = place.resolve()
        if data:
            release = open_release(data.resolve())
        else:
            release = Workshop(base, seed).release("release", [CHROMOSOME], records, seed)
        chromosome = release.chromosomes[CHROMOSOME]
        records = chromosome.num_records
        # What is kept belongs to one release and one seed.
        shop = Workshop(base / f"{records}-{chromosome.seed}-{seed}", seed)
        source = shop.bcf(release)
        store = store.resolve() if store else shop.store(release, "store")
        before = (
            (former.absolute(), shop.store(release, "store-former", [str(former)]))
            if former
            else None
        )
        floor = shop.floor() if "floor" in families else None
        outputs = shop.folder / "out"
        outputs.mkdir(exist_ok=True)
        ready: dict[str, tuple[Data, dict[str, Run], dict[str, dict[str, int]]]] = {}
        for name in names:
            count = QUERIES[name].count(records)
            query = shop.query(release, QUERIES[name], count, name)
            item = Data(query, count, store, release.vcf(CHROMOSOME), source,
                        shop.fasta(release), shop.archive(source), before, floor)  # fmt: skip
            runs = peers.runs(item, outputs, families)
            say(f"{name}: {count} variants; comparing answers")
            ready[name] = item, runs, check(item, runs, shop)
        results: dict[str, Any] = {
            "records": records,
            "num_rounds": rounds,
            "machine": machine,
            "versions": versions(families),
            "store_bytes": folder_bytes(store),
            "queries": {},
            "growth": [],
        }
        idle: list[Measured] = []
        for name, (item, runs, agreement) in ready.items():
            say(f"Timing {name}: {len(runs)} commands, {rounds} rounds")
            results["queries"][name] = time_all(item, runs, agreement, rounds)
            empty = [*OURS, "annotate", "--vcf", str(shop.header_only(item.query)), "--reference",
                     str(store), "--out-vcf", str(outputs / "none.vcf.gz")]  # fmt: skip
            idle += interleaved({"": empty}, rounds)[""]
            results["idle"] = {key: statistics.median(row[key] for row in idle) for key in idle[0]}
            keep(results, folder)
        if growth:
            results["growth"] = measure_growth(shop, release, store, rounds)
            keep(results, folder)
    show(results)


def keep(results: dict[str, Any], folder: Path) -> None:
    """Judge and write what there is so far, so that an interrupted run is not lost."""
    results["machine"]["load_after"] = os.getloadavg()[0]
    results["targets"] = judge(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotate.json").write_text(json.dumps(results, indent=2) + "\n")
    (folder / "annotate.svg").write_text(chart(results))


if __name__ == "__main__":
    main()
