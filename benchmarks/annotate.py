"""Time `annotate` against bcftools annotate: same work, same data, one run, answers compared first."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from generate import write_query, write_release
from measure import OURS, interleaved, measure, medians

RESULTS = Path(__file__).parent / "results"
CHROMOSOME = "21"


def ids(path: Path) -> list[tuple[str, set[str]]]:
    """Return the sites of the minimal SNVs of a VCF, and the IDs there."""
    form = "%POS\t%REF\t%ALT\t%ID\n"
    done = subprocess.run(
        ["bcftools", "query", "-i", 'TYPE="snp" & N_ALT=1 & strlen(REF)=1', "-f", form, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.rpartition("\t") for line in done.stdout.splitlines())
    return [(site, set(names.split(";"))) for site, _, names in lines]


def agree(ours: list[tuple[str, set[str]]], theirs: list[tuple[str, set[str]]]) -> bool:
    """Tell whether all IDs are among ours: bcftools keeps one where an allele has several."""
    pairs = zip(ours, theirs, strict=True)
    return bool(ours) and all(
        one[0] == two[0] and two[1] <= one[1] and ("." in one[1]) == ("." in two[1])
        for one, two in pairs
    )


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
        release = write_release(folder / "mirror", [CHROMOSOME], records, seed)
        source = release.vcf(CHROMOSOME)
        query = folder / "query.vcf.gz"
        write_query(query, release.folder, CHROMOSOME, variants, seed + 1)
        store = folder / "store"
        fetch = [*OURS, "fetch", "--base-url", str(folder / "mirror"), "--release", "116"]
        fetched = measure([*fetch, "--out", str(store)], environment)
        for path in (source, query):
            subprocess.run(["tabix", "-p", "vcf", str(path)], check=True)
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
            "ours": [*OURS, "annotate", "--vcf", str(query), "--reference", str(store),
                     "--out-vcf", str(outputs["ours"])],
            "bcftools, vcf.gz source": peer(source, outputs["bcftools, vcf.gz source"]),
            "bcftools, BCF source": peer(binary, outputs["bcftools, BCF source"]),
        }  # fmt: skip
        for command in commands.values():
            measure(command, environment)
        answers = [ids(path) for path in outputs.values()]
        if not all(agree(answers[0], answer) for answer in answers):
            sys.exit("The tools disagree on the IDs of SNVs; nothing was timed.")
        timed = interleaved(commands, rounds, environment)
    summary = medians(timed)
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
