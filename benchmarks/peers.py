"""The commands that the annotate benchmark compares, each at its best settings for the same work.

The work: read a BGZF VCF, add the ID, TSA, MA, MAF and MAC of the same variant, write a BGZF VCF
at the fastest level and index it. What a tool cannot do is left out and said in `LIMITS`.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import OURS

THREADS = 2
# Above this SnpSift takes minutes: a look-up in the index for each record.
SNPSIFT_MAX_VARIANTS = 1_000
# Above this, reading the whole source is faster than looking up regions.
REGIONS_MAX_VARIANTS = 1_000

OURS_VCF, OURS_6, OURS_TABLE = "ours", "ours, level 6", "ours, VCF and parquet"
FORMER = "ours, a former release"
BCF, BCF_6, VCF = "bcftools, BCF", "bcftools, BCF, level 6", "bcftools, vcf.gz"
BCF_ALL = "bcftools, BCF, all fields"
BCF_NORM, BCF_REGIONS = "bcftools norm, then BCF", "bcftools -R, BCF"
VCFANNO, SNPSIFT, ECHTVAR, FLOOR = "vcfanno", "SnpSift -tabix", "echtvar", "floor"
LABELS = (OURS_VCF, OURS_6, OURS_TABLE, FORMER, FLOOR, BCF, BCF_6, BCF_ALL, VCF, BCF_NORM, BCF_REGIONS, VCFANNO,
          SNPSIFT, ECHTVAR)  # fmt: skip
FAMILIES = {
    "bcftools": (BCF, BCF_6, BCF_ALL, VCF, BCF_NORM, BCF_REGIONS),
    "vcfanno": (VCFANNO,),
    "SnpSift": (SNPSIFT,),
    "echtvar": (ECHTVAR,),
    "floor": (FLOOR,),
}

LIMITS = {
    OURS_VCF: "writes all that Ensembl publishes, 14 tags rather than 4, so more bytes",
    FLOOR: "no engine: the query decompressed, the keys unpacked, our records compressed; no index",
    BCF: "one ID where several records carry an allele; TSA, MA, MAF, MAC are the record's, not the "
    "ALT's; an indel only where it is spelled like Ensembl's",
    BCF_ALL: "as bcftools, with every INFO field of the source, as ours has",
    BCF_NORM: "as bcftools; records with several ALTs are split, so the records change",
    BCF_REGIONS: "as bcftools; needs a list of regions made from the query, which is timed too",
    VCFANNO: "no ID column (an INFO tag instead); writes QUAL anew with 4 digits; values of "
    "several records are joined without saying whose; an indel only where it is spelled like Ensembl's",
    SNPSIFT: "no index, no compression (bgzip does it); adds IDs of records that name no allele "
    "(ALT . or N); an indel only where trimming gives Ensembl's spelling",
    ECHTVAR: "no IDs at all; input must be split beforehand (not timed); an allele of several "
    "records has the last one's values; an indel only where it is spelled like Ensembl's",
}

FIELDS = ("TSA", "MA", "MAF", "MAC")
COLUMNS = "ID," + ",".join(f"INFO/{name}" for name in FIELDS)


@dataclass(frozen=True)
class Data:
    """What all commands read; made once."""

    query: Path
    num_variants: int
    store: Path
    vcf: Path
    bcf: Path
    fasta: Path
    archive: Path | None
    """echtvar's."""
    former: tuple[Path, Path] | None = None
    """A former release's program, and the store that it made."""
    floor: Path | None = None
    """The library of floor.c."""

    @property
    def split(self) -> Path:
        """The query with one ALT per record, which is what echtvar needs."""
        return self.query.with_suffix("").with_suffix(".split.bcf")

    @property
    def table(self) -> Path:
        """The alleles of the store's only chromosome."""
        return next(self.store.glob("*.parquet"))

    @property
    def answer(self) -> Path:
        """What ours writes, as text."""
        return self.query.with_suffix("").with_suffix(".answer.vcf")

    @property
    def groups(self) -> Path:
        """The numbers of the row groups that the query needs."""
        return self.query.with_suffix("").with_suffix(".groups")


@dataclass(frozen=True)
class Run:
    """A command, and what it writes."""

    label: str
    command: list[str]
    outputs: tuple[Path, ...]

    @property
    def vcf(self) -> Path:
        return self.outputs[0]

    def output_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.outputs)


def has(family: str) -> bool:
    return (
        family == "floor" or shutil.which("snpSift" if family == "SnpSift" else family) is not None
    )


def runs(data: Data, folder: Path, families: Sequence[str]) -> dict[str, Run]:
    """Return the commands for a query, in the order in which a round runs them."""
    wanted = {OURS_VCF, OURS_6, OURS_TABLE, *([FORMER] if data.former else [])}
    wanted.update(label for family in families for label in FAMILIES[family])
    if data.num_variants > SNPSIFT_MAX_VARIANTS:
        wanted.discard(SNPSIFT)
    if data.num_variants > REGIONS_MAX_VARIANTS:
        wanted.discard(BCF_REGIONS)
    if data.archive is None:
        wanted.discard(ECHTVAR)
    if data.floor is None:
        wanted.discard(FLOOR)
    return {
        label: _run(data, folder / f"{data.query.name.partition('.')[0]}-{number}", label)
        for number, label in enumerate(LABELS)
        if label in wanted
    }


def _run(data: Data, stem: Path, label: str) -> Run:
    out = stem.with_suffix(".vcf.gz")
    if label == FORMER and data.former:
        program, store = data.former
        command = [str(program), "annotate", "--vcf", str(data.query), "--reference", str(store),
                   "--out-vcf", str(out)]  # fmt: skip
        return Run(label, command, (out, out.with_suffix(".gz.csi")))
    if label.startswith(OURS_VCF):
        outputs = [out, out.with_suffix(".gz.tbi")]
        command = [*OURS, "annotate", "--vcf", str(data.query), "--reference", str(data.store),
                   "--out-vcf", str(out)]  # fmt: skip
        if label == OURS_6:
            command += ["--level", "6"]
        if label == OURS_TABLE:
            outputs.append(stem.with_suffix(".parquet"))
            command += ["--out-parquet", str(outputs[-1])]
        return Run(label, command, tuple(outputs))
    if label == FLOOR:
        script = Path(__file__).parent / "floor.py"
        read = (data.query, data.table, data.floor, data.groups, data.answer)
        command = [sys.executable, str(script), *map(str, read), str(out)]
        return Run(label, command, (out,))
    if label in FAMILIES["bcftools"]:
        lines = _bcftools(data, stem, label, out)
    elif label == VCFANNO:
        settings = stem.with_suffix(".toml")
        settings.write_text(_vcfanno_settings(data.vcf))
        # What its manual advises for a sparse query: few collections of garbage, small gaps.
        lines = [
            f"GOGC=1000 IRELATE_MAX_GAP=1000 vcfanno -p {THREADS} {_quoted(settings, data.query)} "
            f"| bgzip -l 1 -@ {THREADS} > {_quoted(out)}"
        ]
    elif label == SNPSIFT:
        lines = [
            "JAVA_TOOL_OPTIONS=-XX:+UseSerialGC snpSift annotate -noLog -noDownload -tabix "
            f"-info {','.join(FIELDS)} {_quoted(data.vcf, data.query)} "
            f"| bgzip -l 1 -@ {THREADS} > {_quoted(out)}"
        ]
    else:
        lines = [f"echtvar anno -e {_quoted(data.archive, data.split, out)}"]
    lines.append(f"bcftools index -f --threads {THREADS} {_quoted(out)}")
    script = "\n".join(["set -eo pipefail", *lines])
    return Run(label, ["bash", "-c", script], (out, out.with_suffix(".gz.csi")))


def _bcftools(data: Data, stem: Path, label: str, out: Path) -> list[str]:
    source = data.vcf if label == VCF else data.bcf
    level = 6 if label == BCF_6 else 1
    query, more, lines = data.query, "", []
    if label == BCF_NORM:
        # annotate reads its input through an index, so a pipe will not do.
        query = stem.with_suffix(".norm.bcf")
        lines = [
            f"bcftools norm -f {_quoted(data.fasta)} -m-any --threads {THREADS} -Ob1 "
            f"-o {_quoted(query, data.query)}",
            f"bcftools index -f --threads {THREADS} {_quoted(query)}",
        ]
    if label == BCF_REGIONS:
        regions = stem.with_suffix(".bed")
        merge = (
            'BEGIN { OFS = "\\t" } '
            "$1 == c && $2 <= e + 500 { if ($3 > e) e = $3; next } "
            "{ if (c) print c, b, e; c = $1; b = $2; e = $3 } END { print c, b, e }"
        )
        lines = [
            f"bcftools query -f '%CHROM\\t%POS0\\t%END\\n' {_quoted(query)} "
            f"| awk {shlex.quote(merge)} > {_quoted(regions)}"
        ]
        more = f"-R {_quoted(regions)} "
    columns = "ID,INFO" if label == BCF_ALL else COLUMNS
    lines.append(
        f"bcftools annotate {more}-a {_quoted(source)} -c {columns} --threads {THREADS} "
        f"-Oz{level} -o {_quoted(out, query)}"
    )
    return lines


def _quoted(*paths: Path | None) -> str:
    return shlex.join(str(path) for path in paths)


def _vcfanno_settings(source: Path) -> str:
    names = ["ID", *FIELDS]
    tags = [f"ENS_{name}" for name in names]
    return (
        f"[[annotation]]\nfile = {str(source)!r}\nfields = {names}\nnames = {tags}\n"
        f"ops = {['self'] * len(names)}\n"
    )


def echtvar_settings() -> str:
    """Return the JSON that `echtvar encode` wants."""
    return (
        '[{"field": "TSA", "alias": "TSA", "missing_string": "."}, '
        '{"field": "MA", "alias": "MA", "missing_string": "."}, '
        '{"field": "MAF", "alias": "MAF", "missing_value": -1, "multiplier": 10000}, '
        '{"field": "MAC", "alias": "MAC", "missing_value": -1}]\n'
    )
