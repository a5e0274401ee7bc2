"""Time what consequences cost: the same release with and without genes, the same VCF, in turn.

A release of one chromosome has invented genes, as dense as those of a human release or --density times as dense
(genes.py), and is converted with them and without; the sequence is in both stores. Before anything is timed, the
answers are compared: records with genes are those without but for ENS_CSQ and ENS_WORST, ENS_WORST does not depend on
the transcripts that are told, and what is told of the picked one is told among all. With --genome, the chromosome's
files and the query become those of 24 chromosomes (whole_genome.py).
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click
from measure import OURS, Measured, interleaved, measure, medians, need, ratio
from report import verdict
from whole_genome import genome_query, genome_store, read_lines
from workshop import CHROMOSOME, FULL_RECORDS, QUERIES, Workshop, say

RESULTS = Path(__file__).parent / "results"
WITHOUT, PICK, ALL = "without", "pick", "all"
MAX_PICK = 2
MIN_MILLION_ROWS_PER_SEC = 1
MAX_MORE_MB = 40
MAX_MORE_SEC = 0.15
"""With `pick`; seconds of an exome, since nearly all that it takes more is loading them."""
_NO_RECORD = b"\t" * 7


def commands_for(query: Path, bare: Path, genes: Path, out: Path) -> dict[str, list[str]]:
    def command(label: str, store: Path, *more: str) -> list[str]:
        return [*OURS, "annotate", "--vcf", str(query), "--reference", str(store),
                "--out-vcf", str(out / f"{label}.vcf.gz"), *more]  # fmt: skip

    told = {label: command(label, genes, "--transcripts", label) for label in (PICK, ALL)}
    return {WITHOUT: command(WITHOUT, bare), **told}


def _parted(line: bytes) -> tuple[bytes, set[bytes], bytes]:
    """Return a record without its consequences, the entries of ENS_CSQ, and ENS_WORST."""
    fields = line.split(b"\t")
    info, csq = _without(b";" + fields[7], b";ENS_CSQ=")
    info, worst = _without(info, b";ENS_WORST=")
    # INFO of a record to which nothing else was added is a point.
    fields[7] = info[1:] or b"."
    return b"\t".join(fields), set(csq.split(b",")) - {b""}, worst


def _without(info: bytes, key: bytes) -> tuple[bytes, bytes]:
    """Return INFO without the entry that begins with `key`, and its value; empty where there is none."""
    before, found, rest = info.partition(key)
    value, end, after = rest.partition(b";") if found else (b"", b"", b"")
    return before + end + after, value


def check(out: Path) -> dict[str, int]:
    """Compare the answers, record by record, and return counts; stop where they differ."""
    files = [
        (line.rstrip() for line in read_lines(out / f"{label}.vcf.gz") if not line.startswith(b"#"))
        for label in (WITHOUT, PICK, ALL)
    ]
    found = {"records": 0, "rows": 0, "picked_rows": 0, "severe": 0}
    for number, (bare, pick, every) in enumerate(zip_longest(*files, fillvalue=_NO_RECORD), 1):
        (plain, one, worst), (plain_all, rows, worst_all) = _parted(pick), _parted(every)
        is_same = bare == plain == plain_all and worst == worst_all
        if not is_same or not one <= rows:
            raise SystemExit(
                f"{out}, record {number}: other answers with genes than without.\n"
                f"expected, without: {bare[:500]!r}\nfound, pick: {pick[:500]!r}\nfound, all: {every[:500]!r}\n"
                "Nothing was timed; annotate this record alone and see which of the three is wrong."
            )
        found["records"] += 1
        found["rows"] += sum(b"|Transcript|" in row for row in rows)
        found["picked_rows"] += sum(b"|Transcript|" in row for row in one)
        found["severe"] += sum(b"|HIGH|" in row for row in one)
    if not found["rows"]:
        raise SystemExit(f"{out}: no transcript was told; nothing was timed.")
    return found


def run(name: str, query: Path, stores: tuple[Path, Path], out: Path, rounds: int) -> dict[str, Any]:  # fmt: skip
    commands = commands_for(query, *stores, out)
    say(f"{name}: comparing answers")
    for command in commands.values():
        measure(command)
    counts = check(out)
    say(f"{name}: {counts['records']} records, {counts['rows']} rows; timing")
    timed: dict[str, list[Measured]] = interleaved(commands, rounds)
    median = medians(timed)
    ratios = {
        label: {key: ratio(timed, label, WITHOUT, key) for key in ("wall_sec", "cpu_sec", "peak_mb")}
        for label in (PICK, ALL)
    }  # fmt: skip
    cpu = {label: row["cpu_sec"] for label, row in median.items()}
    return {
        "counts": counts,
        "median": median,
        "ratio": ratios,
        "rows_per_cpu_sec": counts["rows"] / cpu[ALL],
        "rows_per_more_cpu_sec": counts["rows"] / max(0.005, cpu[ALL] - cpu[WITHOUT]),
        "rounds": timed,
    }


def judge(queries: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, query in queries.items():
        more = {
            key: value - query["median"][WITHOUT][key]
            for key, value in query["median"][PICK].items()
        }
        hit = more["peak_mb"] <= MAX_MORE_MB
        rows.append(
            verdict(f"{name}: MB more with genes", False, MAX_MORE_MB, more["peak_mb"], hit)
        )
        if "qx" in name:
            hit = more["wall_sec"] <= MAX_MORE_SEC
            text = f"{name}: seconds more with genes"
            rows.append(verdict(text, False, MAX_MORE_SEC, more["wall_sec"], hit, more["cpu_sec"]))
        else:
            found, cpu = (query["ratio"][PICK][key] for key in ("wall_sec", "cpu_sec"))
            text = f"{name}: {PICK} / {WITHOUT}"
            rows.append(verdict(text, False, MAX_PICK, found, found <= MAX_PICK, cpu))
            for key, of in (("rows_per_cpu_sec", "the whole run"), ("rows_per_more_cpu_sec", "what genes take more")):  # fmt: skip
                rate = query[key] / 1e6
                text = f"{name}: million rows of {ALL} a second of CPU, of {of}"
                rows.append(verdict(text, True, MIN_MILLION_ROWS_PER_SEC, rate, rate >= MIN_MILLION_ROWS_PER_SEC))  # fmt: skip
    return rows


def show(results: dict[str, Any]) -> None:
    click.echo(
        f"{results['records']} published records, {results['transcripts']} transcripts; load average "
        f"{results['load_before']:.1f} before, {results['load_after']:.1f} after; medians of "
        f"{results['num_rounds']} rounds"
    )
    click.echo(f"{'':14} {'':8} {'wall s':>7} {'x':>5} {'cpu s':>7} {'x':>5} {'peak MB':>8} {'x':>5} {'M rows/cpu s':>13}")  # fmt: skip
    for name, query in results["queries"].items():
        for label, row in query["median"].items():
            found = query["ratio"].get(label, {})
            cells = " ".join(
                f"{row[key]:{width}.{digits}f} {found.get(key, 1):5.2f}"
                for key, width, digits in (("wall_sec", 7, 2), ("cpu_sec", 7, 2), ("peak_mb", 8, 0))
            )
            rate = ""
            if label == ALL:
                rate = (
                    f"{query['rows_per_cpu_sec'] / 1e6:13.2f}, of what it takes more than without: "
                    f"{query['rows_per_more_cpu_sec'] / 1e6:.2f}"
                )
            click.echo(f"{name:14} {label:8} {cells} {rate}")
    click.echo("\nTargets")
    for row in results["targets"]:
        cpu = f" (cpu {row['found_cpu']:.2f})" if "found_cpu" in row else ""
        click.echo(f"{'hit' if row['hit'] else 'MISS':4}  {row['target']}: {row['found']:.2f}{cpu}, {row['wanted']}")  # fmt: skip


def save(results: dict[str, Any], folder: Path) -> None:
    """Write what is measured so far: a run of hours that is stopped has its first results."""
    results["load_after"] = os.getloadavg()[0]
    results["targets"] = judge(results["queries"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "consequences.json").write_text(json.dumps(results, indent=2) + "\n")


def num_transcripts(store: Path) -> int:
    package = json.loads((store / "datapackage.json").read_bytes())
    return int(package["genes"]["num_transcripts"])


@click.command(help=__doc__)
@click.option("--records", default=FULL_RECORDS, show_default=True, help="Of the chromosome.")
@click.option("--seed", default=1, show_default=True)
@click.option("--queries", default="qx340,q68k,q1m", show_default=True, help="By commas, of annotate.py's.")  # fmt: skip
@click.option("--genome", is_flag=True, help="On 24 chromosomes too: a store of 24 times the size (a copy of 5 GB).")  # fmt: skip
@click.option("--genome-queries", default="qx340,q68k", show_default=True, help="Those of --genome.")  # fmt: skip
@click.option("--density", default=1.0, show_default=True, help="How many times as dense as a human release's genes are.")  # fmt: skip
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds.")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False),
              help="Keep generated files here, for the next run with the same data and seed.")  # fmt: skip
@click.option("--results", "folder", type=click.Path(path_type=Path, file_okay=False), default=RESULTS,
              help="Where consequences.json goes.")  # fmt: skip
def main(
    records: int, seed: int, queries: str, genome: bool, genome_queries: str, density: float,
    rounds: int, work: Path | None, folder: Path,
) -> None:  # fmt: skip
    need("bcftools", "tabix", "bgzip")
    with ExitStack() as stack:
        place = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        place = place.absolute()
        release = Workshop(place, seed).release("release", [CHROMOSOME], records, seed)
        release = Workshop(place, seed).with_genes(release, density)
        shop = Workshop(place / f"consequences-{records}-{seed}", seed)
        stores = (
            shop.store(release, "store-without", more=["--no-genes"]),
            shop.store(release, "store-with"),
        )
        out = shop.folder / "out"
        out.mkdir(exist_ok=True)
        results: dict[str, Any] = {
            "records": records,
            "transcripts": num_transcripts(stores[1]),
            "num_rounds": rounds,
            "load_before": os.getloadavg()[0],
            "queries": {},
        }
        single = {
            name: shop.query(release, QUERIES[name], QUERIES[name].count(records), name)
            for name in dict.fromkeys([*queries.split(","), *genome_queries.split(",")])
        }
        for name in queries.split(","):
            results["queries"][name] = run(name, single[name], stores, out, rounds)
            save(results, folder)
        if genome:
            bare, genes = (
                genome_store(item, shop.folder / f"genome-{item.name}") for item in stores
            )
            for name in genome_queries.split(","):
                query = genome_query(single[name], shop.folder / f"genome-{name}.vcf.gz")
                label = f"genome-{name}"
                results["queries"][label] = run(label, query, (bare, genes), out, rounds)
                save(results, folder)
    show(results)


if __name__ == "__main__":
    main()
