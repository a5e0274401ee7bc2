"""Time `compare` of two releases of ten million alleles, and check what it counts.

The second release is the first with known changes, drawn from a seed: records that are gone, records
with another ID, another MAF, one clinical term more. What `compare` counts must be what was changed,
or nothing is timed. Then it is timed as a whole, through a sample, and between releases that
have nothing in common.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import click
import generate
import numpy as np
from generate import Release
from measure import OURS, interleaved, medians
from workshop import CHROMOSOME, Query, Workshop, say

from ensembl_annotations.vcf.bgzf import BgzfWriter

RESULTS = Path(__file__).parent / "results"
# Of the records; one is changed in one way only.
SHARES = {"gone": 0.01, "renamed": 0.005, "frequency": 0.02, "reclassified": 0.002}
FIRST_NEW_ID = 4_000_000_000


def write_changed(source: Release, out: Path, seed: int) -> tuple[Release, Counter[str]]:
    """Write a release with known changes; return it, and the entries that each changed."""
    path = out / source.vcf(CHROMOSOME).relative_to(source.folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    names, ends = list(SHARES), np.cumsum(list(SHARES.values()))
    counts: Counter[str] = Counter()
    with gzip.open(source.vcf(CHROMOSOME), "rt") as lines, path.open("wb") as handle:
        writer = BgzfWriter(handle, level=6)
        drawn = iter(())
        for line in lines:
            if line[0] == "#":
                writer.write(line.encode())
                continue
            kind = next(drawn, None)
            if kind is None:
                drawn = iter(np.searchsorted(ends, draw.random(1 << 16), side="right").tolist())
                kind = next(drawn)
            if kind < len(names):
                line = _changed(line, names[kind], counts)
            writer.write(line.encode())
        writer.finish()
    generate._write_checksums([path])
    (out / generate.DESCRIPTION).write_text((source.folder / generate.DESCRIPTION).read_text())
    return generate.open_release(out), counts


def _changed(line: str, how: str, counts: Counter[str]) -> str:
    chrom, pos, name, ref, alt, qual, filtered, info = line.rstrip("\n").split("\t")
    entries = alt.count(",") + 1
    if how == "gone":
        counts[how] += entries
        return ""
    if how == "renamed":
        name = f"rs{FIRST_NEW_ID + counts[how]}"
    elif how == "frequency":
        before, found, rest = info.partition("MAF=")
        if not found:
            return line
        value, semicolon, rest = rest.partition(";")
        info = f"{before}MAF={float(value) / 2 + 0.001:.4f}{semicolon}{rest}"
        if float(value) == float(f"{float(value) / 2 + 0.001:.4f}"):
            return line
    elif "CLIN_benign" in info:
        return line
    else:
        info += ";CLIN_benign"
    counts[how] += entries
    return "\t".join((chrom, pos, name, ref, alt, qual, filtered, info)) + "\n"


def check(found: dict[str, int], changed: Counter[str]) -> None:
    """Stop where the counts are not those of the changes."""
    lost = sum(found[name] for name in ("retired", "merged", "split", "allele_lost"))
    gained = sum(found[name] for name in ("new", "allele_gained", "successor"))
    pairs = {
        "lost": (lost, changed["gone"] + changed["renamed"]),
        "gained": (gained, changed["renamed"]),
        "frequency": (found["frequency"], changed["frequency"]),
        "reclassified": (found["reclassified"], changed["reclassified"]),
    }
    for name, (ours, expected) in pairs.items():
        say(f"  {name}: {ours}, expected {expected}")
    if any(ours != expected for ours, expected in pairs.values()):
        raise SystemExit("The counts are not those of the changes; nothing was timed.")


@click.command(help=__doc__)
@click.option("--records", default=8_700_000, show_default=True, help="10 million alleles.")
@click.option("--seed", default=1, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--work", type=click.Path(path_type=Path, file_okay=False),
              help="Keep generated files here.")  # fmt: skip
def main(records: int, seed: int, rounds: int, work: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        base = (work or Path(name)).resolve()
        shop = Workshop(base, seed)
        one = shop.release("release", [CHROMOSOME], records, seed)
        other = shop.release("release", [CHROMOSOME], records, seed + 100)
        say("Generating the changed release")
        changed, changes = write_changed(one, base / f"changed-{seed}-{records}", seed)
        stores = [shop.store(item, name) for item, name in
                  ((one, "one"), (changed, "two"), (other, "apart"))]  # fmt: skip
        sample = shop.query(one, Query("q", 68_000), round(records / 220), f"sample-{records}")
        compare = [*OURS, "compare", str(stores[0])]
        say("Comparing")
        found = json.loads(subprocess.run(
            [*compare, str(stores[1]), "--json", "--limit", "0"],
            check=True, capture_output=True, text=True,
        ).stdout)  # fmt: skip
        check(found["counts"], changes)
        commands = {
            "a later release": [*compare, str(stores[1])],
            "a later release, through a sample": [*compare, str(stores[1]), "--sample", str(sample)],
            "nothing in common": [*compare, str(stores[2])],
        }  # fmt: skip
        times = medians(interleaved(commands, rounds))
    result: dict[str, Any] = {
        "cores": os.cpu_count(), "entries": found["a"]["num_entries"], "counts": found["counts"],
        "times": times,
    }  # fmt: skip
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "compare.json").write_text(json.dumps(result, indent=2) + "\n")
    click.echo(f"{result['entries']:,} entries against {found['b']['num_entries']:,}")
    for label, row in times.items():
        click.echo(f"{label:36} {row['wall_sec']:6.1f} s {row['cpu_sec']:6.1f} s cpu "
                   f"{row['peak_mb']:6.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
