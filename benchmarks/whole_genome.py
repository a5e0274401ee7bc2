"""Time `annotate` on a whole genome and an exome on it: time, memory, bytes read, cold disk, growth.

A generated chromosome is converted once. Its file becomes that of each of the 24 chromosomes: a copy with
another label in the footer, and the digests that belong to it (the column `chrom`, which a look-up does
not read, keeps the first one's name). The queries of the chromosome are repeated in the same way, 24 times.
With the default 15 million records a store has 415 million alleles and 5 GB; the human release of 1.1
billion alleles has `--records 40000000`, and 14 GB. Before anything is timed, the annotated records of
each chromosome are compared with those of the one that they were made from.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from hashlib import md5, sha256
from itertools import islice
from pathlib import Path
from typing import Any

import click
from measure import OURS, folder_bytes, measure, medians, need, ratio, remove
from workshop import CHROMOSOME, FULL_RECORDS, QUERIES, Workshop, say

from ensembl_annotations.store.describe import (
    FILE_NAME,
    FileIdentity,
    ReferenceStore,
    footer_sha256,
)
from ensembl_annotations.variants.contigs import CHROMOSOMES, LENGTHS

RESULTS = Path(__file__).parent / "results"
NAMES = CHROMOSOMES[:24]
_STEP_BYTES = 1 << 24


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def relabel(source: Path, was: FileIdentity, folder: Path, name: str) -> dict[str, Any]:
    """Write a file of a store for another chromosome; return what ``datapackage.json`` says of it.

    Notes
    -----
    Only the label in the footer is another one. A footer has no places of its own: it may become longer.
    A sequence has its label in front, and behind it the place where the rest begins.
    """
    now = was._replace(chromosome=name)
    if was.role == "sequence":
        data = source.read_bytes()
        at = 17 + data[16]
        out = folder / now.file_name
        place = (17 + len(name) + 4).to_bytes(4, "little")
        data = data[:16] + bytes([len(name)]) + name.encode() + place + data[at + 4 :]
        out.write_bytes(data)
        return _entry(out, name, sha256(data).hexdigest())
    before, after = (next(iter(item.as_metadata().values())).encode() for item in (was, now))
    out, digest = folder / now.file_name, sha256()
    with source.open("rb") as handle, out.open("wb") as written:
        end = handle.seek(-8, os.SEEK_END)
        footer_begin = end - int.from_bytes(handle.read(4), "little")
        handle.seek(footer_begin)
        parts = handle.read(end - footer_begin).split(_varint(len(before)) + before)
        assert len(parts) == 2, f"{source}: expected one label, found {len(parts) - 1}"
        footer = (_varint(len(after)) + after).join(parts)
        handle.seek(0)
        left = footer_begin
        while data := handle.read(min(_STEP_BYTES, left)):
            left -= len(data)
            written.write(data)
            digest.update(data)
        tail = footer + len(footer).to_bytes(4, "little") + b"PAR1"
        written.write(tail)
        digest.update(tail)
    return _entry(out, name, digest.hexdigest())


def _entry(path: Path, chromosome: str, digest: str) -> dict[str, Any]:
    return {
        "path": path.name,
        "chromosome": chromosome,
        "bytes": path.stat().st_size,
        "hash": f"sha256:{digest}",
        "footer_sha256": footer_sha256(path),
    }


def genome_store(store: Path, out: Path) -> Path:
    """Make a store of 24 chromosomes from one of a single chromosome, with its sequence and genes if it has them."""
    if (out / FILE_NAME).exists():
        return out
    say(f"Making {out.name}")
    package = json.loads((store / FILE_NAME).read_bytes())
    origin = package["species"], package["assembly"], package["release"]
    out.mkdir(parents=True, exist_ok=True)
    for name in ReferenceStore(store).common:
        (out / name).write_bytes((store / name).read_bytes())
    made = [
        entry
        | relabel(
            store / entry["path"],
            FileIdentity(*origin, entry["chromosome"], entry["role"]),
            out,
            name,
        )
        for entry in package["resources"]
        for name in NAMES
    ]
    package |= {"resources": made, "num_variants": len(NAMES) * package["num_variants"]}
    # Last: without it, there is no store.
    (out / FILE_NAME).write_text(json.dumps(package, indent=2) + "\n")
    return out


def genome_query(query: Path, out: Path) -> Path:
    """Repeat the records of a chromosome on each of the 24, in order."""
    if out.exists():
        return out
    part = out.with_suffix(".part")
    lengths = LENGTHS["GRCh38"]
    with part.open("wb") as handle:
        packed = subprocess.Popen(["bgzip", "-c"], stdin=subprocess.PIPE, stdout=handle)
        assert packed.stdin is not None
        with packed.stdin as to:
            for line in read_lines(query):
                if not line.startswith(b"#"):
                    break
                if line.startswith(b"##contig"):
                    line = b"".join(
                        f"##contig=<ID={name},length={lengths[name]}>\n".encode() for name in NAMES
                    )
                to.write(line)
            for name in NAMES:
                for line in read_lines(query):
                    if not line.startswith(b"#"):
                        to.write(name.encode() + line[line.index(b"\t") :])
        if packed.wait():
            sys.exit("bgzip fails.")
    part.rename(out)
    return out


def read_lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as handle:
        yield from handle


def _digests(path: Path) -> dict[bytes, str]:
    """Return a digest of each contig's records, without their CHROM."""
    found: dict[bytes, Any] = defaultdict(md5)
    for line in read_lines(path):
        if not line.startswith(b"#"):
            name, _, rest = line.partition(b"\t")
            found[name].update(rest)
    return {name: digest.hexdigest() for name, digest in found.items()}


def check(one: Path, all_of_them: Path) -> None:
    """Stop where a chromosome's records are not those of the one that it was made from."""
    (wanted,) = _digests(one).values()
    # A PAR of Y is looked up on X too, and says so.
    wrong = [
        name.decode()
        for name, found in _digests(all_of_them).items()
        if found != wanted and name != b"Y"
    ]
    if wrong:
        sys.exit(f"{all_of_them}: records differ from {one} on {', '.join(wrong)}.")


def forget(folder: Path) -> None:
    """Have a folder's files leave the page cache, so that they are read from the disk."""
    for path in folder.iterdir():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_read_mb() -> float:
    """Return what was read from the disks of this machine (10^6 bytes); 0 where that is not told."""
    path = Path("/proc/diskstats")
    lines = path.read_text().splitlines() if path.exists() else []
    whole = (line.split() for line in lines)
    names = {item.name for item in Path("/sys/block").glob("*")} if lines else set()
    return sum(int(item[5]) for item in whole if item[2] in names) * 512 / 1e6


def time_in_turn(
    commands: dict[str, list[str]], stores: dict[str, Path], rounds: int, *, cold: bool
) -> dict[str, list[dict[str, float]]]:
    """Run the commands in turn; those with a store in `stores`, cold, after its files left the page cache."""
    timed: dict[str, list[dict[str, float]]] = {label: [] for label in commands}
    for _ in range(rounds):
        for label, command in commands.items():
            if cold and label in stores:
                forget(stores[label])
            before = disk_read_mb()
            row = measure(command)
            timed[label].append({**row, "disk_mb": disk_read_mb() - before})
    return timed


def commands_for(
    query: Path, store: Path, out: Path, *, memory: list[int], former: tuple[Path, Path] | None
) -> dict[str, list[str]]:
    """Return the commands for a query: the VCF, with the table and the tally, budgets of memory, a former release."""

    def command(program: list[str], reference: Path, name: str, *more: str) -> list[str]:
        return [*program, "annotate", "--vcf", str(query), "--reference", str(reference),
                "--out-vcf", str(out / f"{name}.vcf.gz"), *more]  # fmt: skip

    table = ("--out-parquet", str(out / "table.parquet"), "--tally", str(out / "tally.json"))
    found = {
        "ours": command(OURS, store, "ours"),
        "ours, table and tally": command(OURS, store, "table", *table),
    }
    for megabytes in memory:
        label = f"ours, {megabytes} MB"
        found[label] = command(OURS, store, str(megabytes), "--memory-mb", str(megabytes))
        found[f"{label}, table and tally"] = command(
            OURS, store, str(megabytes), "--memory-mb", str(megabytes), *table
        )
    if former:
        found["former"] = command([str(former[0])], former[1], "former")
    return found


@click.command(help=__doc__)
@click.option("--records", default=FULL_RECORDS, show_default=True, help="Of each chromosome.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--queries", default="q68k,qx340", show_default=True, help="By commas, of annotate.py's."
)
@click.option("--rounds", default=3, show_default=True)
@click.option("--cold", is_flag=True, help="Have the store leave the page cache before each run.")
@click.option("--memory-mb", "memory", type=int, multiple=True, help="Budgets to be measured too.")
@click.option("--store", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="A store of the one chromosome, instead of generating and converting it.")  # fmt: skip
@click.option("--former", type=(click.Path(path_type=Path, exists=True), click.Path(path_type=Path, exists=True)),
              help="The program of a former release, and its store of the 24 chromosomes.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Generated files are kept here, and used again.")  # fmt: skip
@click.option("--results", "folder", type=click.Path(path_type=Path, file_okay=False), default=RESULTS,
              help="Where whole_genome.json goes.")  # fmt: skip
def main(
    records: int, seed: int, queries: str, rounds: int, cold: bool, memory: tuple[int, ...],
    store: Path | None, former: tuple[Path, Path] | None, work: Path, folder: Path,
) -> None:  # fmt: skip
    need("bgzip", "tabix")
    release = Workshop(work.resolve(), seed).release("release", [CHROMOSOME], records, seed)
    shop = Workshop(work.resolve() / f"genome-{records}-{seed}", seed)
    one = store.resolve() if store else shop.folder / "one"
    if not (one / FILE_NAME).exists():
        one = shop.store(release, "one")
    whole, out = genome_store(one, shop.folder / "store"), shop.folder / "out"
    out.mkdir(exist_ok=True)
    results: dict[str, Any] = {
        "records": len(NAMES) * records,
        "store_bytes": folder_bytes(whole),
        "cold": cold,
        "load_before": os.getloadavg()[0],
        "queries": {},
    }
    for name in queries.split(","):
        single = shop.query(release, QUERIES[name], QUERIES[name].count(records), name)
        query = genome_query(single, shop.folder / f"genome-{name}.vcf.gz")
        say(f"{name}: comparing answers")
        for vcf, reference, label in ((single, one, "one"), (query, whole, "whole")):
            measure([*OURS, "annotate", "--vcf", str(vcf), "--reference", str(reference),
                     "--out-vcf", str(out / f"{label}.vcf.gz")])  # fmt: skip
        check(out / "one.vcf.gz", out / "whole.vcf.gz")
        commands = commands_for(query, whole, out, memory=list(memory), former=former)
        say(f"Timing {name}: {len(commands)} commands, {rounds} rounds")
        stores = {label: former[1] if former and label == "former" else whole for label in commands}
        timed = time_in_turn(commands, stores, rounds, cold=cold)
        rows = {
            label: {**row, "wall_to_ours": ratio(timed, label, "ours"), "cpu_to_ours": ratio(timed, label, "ours", "cpu_sec")}
            for label, row in medians(timed).items()
        }  # fmt: skip
        results["queries"][name] = {"median": rows, "rounds": timed}
        for label, row in rows.items():
            say(
                f"  {label}: "
                + ", ".join(f"{key} {value:.2f}" for key, value in islice(row.items(), 7))
            )
        results["load_after"] = os.getloadavg()[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "whole_genome.json").write_text(json.dumps(results, indent=2) + "\n")
    remove(out)


if __name__ == "__main__":
    main()
