"""Measure an entry of many small VCFs: all new, nothing to do, one more, and the catalogue.

Works in a clone of what is committed, with the embedded reference. Each VCF has records of the example, chosen by a
seed, so no two are the same. Prints a table, with the load of the machine before each step: processor time hardly
depends on it, the wall time does.
"""

from __future__ import annotations

import gzip
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from ruamel.yaml import YAML

REPO = Path(__file__).resolve().parents[1]
COHORT = Path("data/vcf/cohort")
MATERIALIZE = ("-m", "ensembl_annotations.cli", "materialize")


@dataclass(frozen=True)
class Step:
    """What a command took: seconds on the wall and of the processor, and the lines that it printed."""

    name: str
    wall_sec: float
    cpu_sec: float
    num_lines: int
    load: float


class Clone:
    """A clone of this repository, whose only entry is a folder of VCFs.

    Parameters
    ----------
    folder : Path
        Where to make it, with everything that its commands write.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        subprocess.run(["git", "clone", "--quiet", str(REPO), str(self.root)], check=True)
        kernel = Path("src/ensembl_annotations/_kernel")
        for library in (REPO / kernel).glob("libkernel.*"):
            shutil.copy2(library, self.root / kernel)
        (self.root / ".venv").symlink_to(REPO / ".venv")
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(folder / "dvc"),
            "ENSEMBL_ANNOTATIONS_CACHE": str(folder / "downloads"),
        }
        text = gzip.decompress((REPO / "data/vcf/sample.vcf.gz").read_bytes())
        lines = text.splitlines(keepends=True)
        self._header = [line for line in lines if line.startswith(b"#")]
        self._records = lines[len(self._header) :]
        params = self.root / "params.yaml"
        content = YAML().load(params)
        content["samples"] = {"cohort": {"vcf": str(COHORT)}}
        YAML().dump(content, params)

    def write(self, number: int, num_records: int) -> None:
        """Write a VCF whose content its number decides."""
        chosen = sorted(random.Random(number).choices(range(len(self._records)), k=num_records))
        content = b"".join([*self._header, *(self._records[place] for place in chosen)])
        path = self.root / COHORT / f"s{number:05d}.vcf.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(content, mtime=0))

    def run(self, name: str, *arguments: str) -> Step:
        """Run Python, and measure it with all that it starts."""
        load, before = os.getloadavg()[0], _cpu_sec()
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - began
        if done.returncode:
            raise click.ClickException(f"{name}: exit code {done.returncode}\n{done.stdout}")
        return Step(name, wall, _cpu_sec() - before, done.stdout.count("\n"), load)


def _cpu_sec() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(steps: Sequence[Step]) -> str:
    head = ["| | wall | CPU | lines | load |", "|---|---|---|---|---|"]
    rows = [
        f"| {step.name} | {step.wall_sec:.1f} s | {step.cpu_sec:.1f} s | {step.num_lines} | {step.load:.1f} |"
        for step in steps
    ]
    return "\n".join([*head, *rows])


@click.command()
@click.option("--vcfs", default=300, help="How many VCFs.")
@click.option("--records", default=200, help="Records of each.")
def main(vcfs: int, records: int) -> None:
    """Measure an entry of many small VCFs."""
    with tempfile.TemporaryDirectory(prefix="many-") as folder:
        clone = Clone(Path(folder))
        clone.run("the reference", *MATERIALIZE, "ensembl_annotations")
        for number in range(vcfs):
            clone.write(number, records)
        steps = [clone.run(f"{vcfs:,} VCFs of {records} records, `make`", *MATERIALIZE)]
        steps.append(clone.run("`make`, nothing to do", *MATERIALIZE))
        steps.append(clone.run("`dvc status`", "-m", "dvc", "status"))
        clone.write(vcfs, records)
        steps.append(clone.run("one more", *MATERIALIZE))
        steps.append(clone.run("the catalogue", "-m", "ensembl_annotations.cli", "catalog"))
        size = (clone.root / "catalog.html").stat().st_size
        click.echo(_table(steps))
        click.echo(f"\ncatalog.html: {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
