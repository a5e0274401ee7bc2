"""Time `annotate` against bcftools annotate: same work, same data, one run, answers compared first."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import psutil
from generate import reference_records, write_query, write_release

RESULTS = Path(__file__).parent / "results"
CLI = [sys.executable, "-m", "ensembl_annotations.cli"]


def measure(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a command; return wall and processor seconds and peak memory, children included."""
    before = os.times()
    began = time.perf_counter()
    process = psutil.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    peak = 0
    while process.poll() is None:
        try:
            tree = [process, *process.children(recursive=True)]
            peak = max(peak, sum(item.memory_info().rss for item in tree))
        except psutil.Error:
            pass
        time.sleep(0.01)
    wall = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{process.stderr.read().decode()}")
    after = os.times()
    cpu = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return {"wall_sec": wall, "cpu_sec": cpu, "peak_mb": peak / 1e6}


def ids(path: Path) -> list[str]:
    """Return position, alleles and IDs of the SNVs of a VCF."""
    form = "%POS\t%REF\t%ALT\t%ID\n"
    done = subprocess.run(
        ["bcftools", "query", "-i", 'TYPE="snp" & N_ALT=1', "-f", form, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@click.command()
@click.option("--records", default=1_000_000, show_default=True, help="Published records.")
@click.option("--variants", default=20_000, show_default=True, help="Records to annotate.")
@click.option("--rounds", default=3, show_default=True, help="Interleaved rounds.")
@click.option("--seed", default=1, show_default=True)
def main(records: int, variants: int, rounds: int, seed: int) -> None:
    """Generate data, compare answers, then time each tool in turn."""
    if shutil.which("bcftools") is None:
        sys.exit("bcftools is missing: install it (Debian package bcftools) to compare with it.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "ENSEMBL_ANNOTATIONS_CACHE": str(folder / "cache")}
        published = reference_records(records, seed)
        source = write_release(folder / "mirror", published)
        query = folder / "query.vcf.gz"
        write_query(query, published, variants, seed + 1)
        store = folder / "store"
        fetch = [*CLI, "fetch", "--base-url", str(folder / "mirror"), "--release", "116"]
        fetched = measure([*fetch, "--out", str(store)], environment)
        for path in (source, query):
            subprocess.run(["bcftools", "index", str(path)], check=True)
        binary = folder / "source.bcf"
        subprocess.run(["bcftools", "view", "-Ob", "-o", str(binary), str(source)], check=True)
        subprocess.run(["bcftools", "index", str(binary)], check=True)
        threads = str(os.cpu_count() or 1)
        fields = "ID,INFO/TSA,INFO/MA,INFO/MAF,INFO/MAC"

        def peer(annotations: Path, out: Path) -> list[str]:
            return ["bcftools", "annotate", "-a", str(annotations), "-c", fields, "--threads",
                    threads, "-Oz1", "-o", str(out), str(query)]  # fmt: skip

        outputs = {label: folder / f"{index}.vcf.gz" for index, label in enumerate(
            ("ours", "bcftools, vcf.gz source", "bcftools, BCF source"))}  # fmt: skip
        commands = {
            "ours": [*CLI, "annotate", "--vcf", str(query), "--reference", str(store),
                     "--out-vcf", str(outputs["ours"])],
            "bcftools, vcf.gz source": peer(source, outputs["bcftools, vcf.gz source"]),
            "bcftools, BCF source": peer(binary, outputs["bcftools, BCF source"]),
        }  # fmt: skip
        for command in commands.values():
            measure(command, environment)
        answers = [ids(path) for path in outputs.values()]
        if not answers[0] or any(answer != answers[0] for answer in answers):
            sys.exit("The tools disagree on the IDs of SNVs; nothing was timed.")
        timed: dict[str, list[dict[str, float]]] = {label: [] for label in commands}
        for _ in range(rounds):
            for label, command in commands.items():
                timed[label].append(measure(command, environment))
    summary = {
        label: {key: statistics.median(item[key] for item in rows) for key in rows[0]}
        for label, rows in timed.items()
    }
    ours = summary["ours"]
    click.echo(f"{records} published records, {variants} to annotate, {threads} cores, "
               f"{len(answers[0])} SNVs agree; conversion {fetched['wall_sec']:.1f} s, "
               f"peak {fetched['peak_mb']:.0f} MB")  # fmt: skip
    for label, row in summary.items():
        click.echo(f"{label:26} wall {row['wall_sec']:6.2f} s ({row['wall_sec'] / ours['wall_sec']:5.2f} x ours)"
                   f"  cpu {row['cpu_sec']:6.2f} s  peak {row['peak_mb']:5.0f} MB")  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    content = {"records": records, "variants": variants, "cores": os.cpu_count(), "fetch": fetched}
    text = json.dumps({**content, "median": summary, "rounds": timed}, indent=2)
    (RESULTS / "annotate.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
