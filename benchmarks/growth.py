"""Time `annotate` as the reference grows: the same VCF, on a store that has more alleles on the same bases.

A release of one chromosome is generated twice, the second time many times as deep (deep.py), and converted. Before
anything is timed, the answers on both stores are compared with the releases' own text (answers.py). The stores
take turns, with a warm page cache; a ratio is of runs in the same round. What is the same whatever the store
has, the start, is measured with a VCF without records.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import answers
import click
import peers
from generate import Release
from measure import OURS, Measured, folder_bytes, interleaved, measure, medians, need, ratio
from workshop import CHROMOSOME, QUERIES, Workshop, say

RESULTS = Path(__file__).parent / "results"
RATIOS = ("wall_sec", "cpu_sec", "peak_mb", "read_mb")
NO_RECORDS = "none"


def annotate(query: Path, store: Path, out: Path) -> list[str]:
    return [*OURS, "annotate", "--vcf", str(query), "--reference", str(store), "--out-vcf", str(out)]  # fmt: skip


def check(query: Path, release: Release, store: Path, out: Path) -> dict[str, int]:
    """Annotate, and compare the answers with the release; stop where they differ."""
    measure(annotate(query, store, out))
    common = answers.common_set(query, release.vcf(CHROMOSOME), out.parent)
    agreement = answers.compare(peers.OURS_VCF, out, answers.add_ours(common, out))
    return {**agreement, "annotated": answers.num_annotated(peers.OURS_VCF, out)}


def num_rows(store: Path) -> int:
    package = json.loads((store / "datapackage.json").read_bytes())
    return sum(item["num_rows"] for item in package["resources"] if item["role"] == "alleles")


def show(results: dict[str, Any]) -> None:
    shallow, deep = results["stores"].values()
    click.echo(
        f"{results['records']} published records with {shallow['rows']} alleles, and {deep['rows']} on the same "
        f"bases ({deep['rows'] / shallow['rows']:.2f} x, {deep['bytes'] / shallow['bytes']:.2f} x the bytes); "
        f"load average {results['load_before']:.1f} before, {results['load_after']:.1f} after; medians of "
        f"{results['num_rounds']} rounds"
    )
    click.echo(f"{'':6} {'variants':>9} {'depth':>6} {'wall s':>7} {'cpu s':>7} {'peak MB':>8} {'read MB':>8} {'annotated':>10}")  # fmt: skip
    for name, query in results["queries"].items():
        for depth, row in query["median"].items():
            told = query["agreement"].get(depth, {}).get("annotated", 0)
            click.echo(f"{name:6} {query['variants']:9} {depth:>6} {row['wall_sec']:7.2f} {row['cpu_sec']:7.2f} "
                       f"{row['peak_mb']:8.0f} {row['read_mb']:8.1f} {told:10}")  # fmt: skip
        found = query["ratio"]
        click.echo(f"{'':6} {'deep ÷ shallow':>16} " + " ".join(
            f"{found[key]:{width}.2f}" for key, width in zip(RATIOS, (7, 7, 8, 8), strict=True)
        ))  # fmt: skip


@click.command(help=__doc__)
@click.option("--records", default=1_500_000, show_default=True, help="Of the shallow release.")
@click.option("--depth", default=10, show_default=True, help="Of the deep one: times the alleles.")
@click.option("--seed", default=1, show_default=True)
@click.option("--queries", default="qx340,q68k,q1m", show_default=True,
              help="By commas, of annotate.py's: their variants are of 15 million records.")  # fmt: skip
@click.option("--rounds", default=3, show_default=True, help="Interleaved rounds.")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False),
              help="Keep generated files here, for the next run with the same data and seed.")  # fmt: skip
@click.option("--results", "folder", type=click.Path(path_type=Path, file_okay=False),
              default=RESULTS, help="Where growth.json goes.")  # fmt: skip
def main(
    records: int, depth: int, seed: int, queries: str, rounds: int, work: Path | None, folder: Path
) -> None:
    need("bcftools", "tabix")
    with ExitStack() as stack:
        place = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        shop = Workshop(place.resolve() / f"growth-{records}-{seed}", seed)
        releases = {
            number: shop.release("release", [CHROMOSOME], records, seed, number)
            for number in (1, depth)
        }
        stores = {number: shop.store(item, f"store-{number}") for number, item in releases.items()}
        results: dict[str, Any] = {
            "records": records,
            "num_rounds": rounds,
            "load_before": os.getloadavg()[0],
            "stores": {
                number: {"rows": num_rows(store), "bytes": folder_bytes(store)}
                for number, store in stores.items()
            },
            "queries": {},
        }
        out = shop.folder / "out.vcf.gz"
        cases: dict[str, tuple[Path, int]] = {}
        for name in queries.split(","):
            count = QUERIES[name].count(records)
            cases[name] = shop.query(releases[1], QUERIES[name], count, name), count
        empty = shop.header_only(next(iter(cases.values()))[0])
        for name, (query, count) in {NO_RECORDS: (empty, 0), **cases}.items():
            say(f"{name}: {count} variants")
            agreement = {
                str(number): check(query, releases[number], store, out)
                for number, store in stores.items()
                if count
            }
            timed: dict[str, list[Measured]] = interleaved(
                {str(number): annotate(query, store, out) for number, store in stores.items()},
                rounds,
            )
            results["queries"][name] = {
                "variants": count,
                "agreement": agreement,
                "median": medians(timed),
                "ratio": {key: ratio(timed, str(depth), "1", key) for key in RATIOS},
                "rounds": timed,
            }
    results["load_after"] = os.getloadavg()[0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "growth.json").write_text(json.dumps(results, indent=2) + "\n")
    show(results)


if __name__ == "__main__":
    main()
