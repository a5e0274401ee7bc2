"""Flip single bits of a store's file and see what annotating makes of each.

Runs as a process of its own, because a damaged parquet file could end the process.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from ensembl_annotations import annotate_vcf
from ensembl_annotations.common.errors import EnsemblAnnotationsError


def footer_begin(data: bytes) -> int:
    """Return where the footer of a parquet file begins."""
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def survey(
    vcf: Path, store: Path, name: str, part: str, *, count: int, seed: int
) -> dict[str, list[int]]:
    """Flip `count` random bits of the pages or of the footer, one at a time.

    Returns
    -------
    dict of str to list of int
        What happened (``refused``, ``same``, ``different``, the name of an exception, or
        ``died``), and the bits, counted from the file's begin.
    """
    data = (store / name).read_bytes()
    begin = footer_begin(data)
    low, high = (4, begin) if part == "pages" else (begin, len(data) - 8)
    waiting = random.Random(seed).sample(range(8 * low, 8 * high), count)
    found: dict[str, list[int]] = defaultdict(list)
    while waiting:
        done = subprocess.run(
            [sys.executable, __file__, str(vcf), str(store), name, ",".join(map(str, waiting))],
            check=False,
            capture_output=True,
            text=True,
        )
        lines = done.stdout.splitlines()
        assert lines, done.stderr
        assert lines[0] == "ready", done.stderr
        for line in lines[1:]:
            found[line].append(waiting.pop(0))
        if done.returncode:
            found["died"].append(waiting.pop(0))
        (store / name).write_bytes(data)
    return found


def _annotate(vcf: Path, store: Path) -> bytes:
    out = store.with_name("flipped.vcf.gz")
    annotate_vcf(vcf, store, out_vcf=out)
    return out.read_bytes()


def _main() -> None:
    vcf, store, name, bits = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    data = (store / name).read_bytes()
    expected = _annotate(vcf, store)
    print("ready", flush=True)
    for bit in map(int, bits.split(",")):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        (store / name).write_bytes(damaged)
        try:
            answer = "same" if _annotate(vcf, store) == expected else "different"
        except EnsemblAnnotationsError:
            answer = "refused"
        except Exception as error:
            answer = type(error).__name__
        print(answer, flush=True)


if __name__ == "__main__":
    _main()
