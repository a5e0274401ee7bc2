"""Real bcftools and tabix read what we write, and find the same IDs."""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from ensembl_annotations import annotate_vcf, fetch_ensembl
from ensembl_annotations.cli import main
from ensembl_annotations.variants.outcomes import GENE_TAGS, TAGS
from ensembl_annotations.vcf.bgzf import compress_bgzf
from tests.support.mirror import HEADER, Row, write_mirror

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "vcf" / "sample.vcf.gz"

pytestmark = pytest.mark.skipif(
    shutil.which("bcftools") is None or shutil.which("tabix") is None,
    reason="bcftools or tabix is not installed (Debian packages bcftools, tabix)",
)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=True
    )


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder / "cache"))
        mirror = str(ROOT / "data" / "mini_ensembl")
        fetch_ensembl(folder / "store", mirrors=[mirror], release=116)
    annotate_vcf(
        SAMPLE, folder / "store", out_vcf=folder / "a.vcf.gz", out_parquet=folder / "a.parquet"
    )
    return folder / "a.vcf.gz"


def test_no_warning_that_the_input_does_not_give(annotated: Path, tmp_path: Path) -> None:
    for arguments in (["view"], ["view", "-Ob"], ["norm", "-m-"], ["stats"]):
        given = (
            run("bcftools", *arguments, "-o", tmp_path / "in", SAMPLE)
            if arguments != ["stats"]
            else run("bcftools", "stats", SAMPLE)
        )
        ours = (
            run("bcftools", *arguments, "-o", tmp_path / "out", annotated)
            if arguments != ["stats"]
            else run("bcftools", "stats", annotated)
        )
        assert ours.stderr.replace(str(annotated), str(SAMPLE)) == given.stderr


def test_the_index_finds_what_a_scan_finds(annotated: Path) -> None:
    everything = run("bcftools", "view", "-H", annotated).stdout.splitlines()
    for region in ("chr1:1000000-1000100", "chr22:42126000-42130000", "chrX", "chrM:1-400"):
        found = run("tabix", annotated, region).stdout.splitlines()
        chrom, _, span = region.partition(":")
        low, high = (int(part) for part in (span or "0-999999999").split("-"))
        expected = [
            line
            for line in everything
            if (fields := line.split("\t"))[0] == chrom
            and int(fields[1]) <= high
            and int(fields[1]) + len(fields[3]) - 1 >= low
        ]
        assert found == expected
    counts = run("bcftools", "index", "-s", annotated).stdout.splitlines()
    assert sum(int(line.split("\t")[2]) for line in counts) == len(everything)


def test_tags_follow_their_alleles_through_norm_and_bcf(annotated: Path, tmp_path: Path) -> None:
    run("bcftools", "view", "-Ob", "-o", tmp_path / "a.bcf", annotated)
    split = run("bcftools", "norm", "-m-", tmp_path / "a.bcf", "-Ob", "-o", tmp_path / "b.bcf")
    assert "rror" not in split.stderr
    form = "%CHROM\t%POS\t%REF\t%ALT\t%INFO/ENS_ID\t%INFO/ENS_CLIN\t%INFO/ENS_AF\n"
    rows = [
        line.split("\t")
        for line in run("bcftools", "query", "-f", form, tmp_path / "b.bcf").stdout.splitlines()
    ]
    table = pl.read_parquet(annotated.with_name("a.parquet")).filter(pl.col("alt").is_not_null())
    expected = {
        (row["chrom"], row["pos"], row["ref"].upper(), row["alt"].upper()): row
        for row in table.iter_rows(named=True)
    }
    seen = 0
    for chrom, pos, ref, alt, ids, clin, frequency in rows:
        row = expected.get((chrom, int(pos), ref.upper(), alt.upper()))
        if row is None:
            continue
        assert ids == ("&".join(row["ens_id"]) if row["ens_id"] else ".")
        assert (frequency == ".") == (row["ens_af"] is None)
        if frequency != ".":
            assert float(frequency) == pytest.approx(row["ens_af"], rel=1e-5)
        terms = {term for item in clin.split("&") for term in item.split("|")} - {"."}
        assert terms == set(row["ens_clin"] or [])
        seen += row["ens_id"] is not None
    assert seen > 100


def test_all_versions_of_vcf_are_read_back_alike(annotated: Path, tmp_path: Path) -> None:
    text = run("bcftools", "view", annotated).stdout
    reference = run("bcftools", "view", "-H", annotated).stdout
    for version in ("4.1", "4.2", "4.3", "4.4"):
        path = tmp_path / f"v{version}.vcf"
        path.write_text(text.replace("fileformat=VCFv4.2", f"fileformat=VCFv{version}", 1))
        done = run("bcftools", "view", "-Ob", "-o", tmp_path / "x.bcf", path)
        assert done.stderr == ""
        assert run("bcftools", "view", "-H", tmp_path / "x.bcf").stdout == reference


def test_ids_of_snvs_are_those_of_bcftools_annotate(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    positions = sorted(draw.sample(range(1, 200_000), 20_000))
    reference: list[Row] = []
    queries = []
    for number, position in enumerate(positions, 1):
        ref = draw.choice("ACGT")
        alts = [base for base in "ACGT" if base != ref]
        kind = draw.random()
        if kind < 0.7:
            reference.append((position, f"rs{number}", ref, draw.choice(alts), "TSA=SNV"))
        if kind > 0.4:
            queries.append(f"21\t{position}\t.\t{ref}\t{draw.choice(alts)}\t.\t.\t.\n")
    write_mirror(tmp_path / "mirror", {"21": reference})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
        fetch_ensembl(tmp_path / "store", mirrors=[str(tmp_path / "mirror")], release=116)
    head = "##fileformat=VCFv4.2\n##contig=<ID=21,length=46709983>\n" + HEADER.splitlines()[-1]
    query = tmp_path / "q.vcf.gz"
    query.write_bytes(compress_bgzf(f"{head}\n{''.join(queries)}".encode()))
    annotate_vcf(query, tmp_path / "store", out_vcf=tmp_path / "ours.vcf.gz")
    source = tmp_path / "source.vcf.gz"
    rows = [
        f"21\t{position}\t{name}\t{ref}\t{alt}\t.\t.\t.\n"
        for position, name, ref, alt, _ in reference
    ]
    source.write_bytes(compress_bgzf(f"{head}\n{''.join(rows)}".encode()))
    run("tabix", "-p", "vcf", source)
    run("tabix", "-p", "vcf", query)
    theirs = run("bcftools", "annotate", "-a", source, "-c", "ID", query)
    form = "%POS\t%REF\t%ALT\t%ID\n"
    (tmp_path / "theirs.vcf").write_text(theirs.stdout)
    expected = run("bcftools", "query", "-f", form, tmp_path / "theirs.vcf").stdout
    found = run("bcftools", "query", "-f", form, tmp_path / "ours.vcf.gz").stdout
    assert found == expected
    assert found.count("rs") > 1000


# By site: the first ALT has values and the second has none, the other way round, the first is
# unknown, the first is unknown and its record comes second.
_AT_ONE_SITE: list[Row] = [
    (100, "rs1", "A", "C", "dbSNP_156;TSA=SNV;MA=C;MAF=0.25;CLIN_benign"),
    (100, "rs2", "A", "T", "dbSNP_156;TSA=SNV"),
    (110, "rs3", "A", "C", "dbSNP_156;TSA=SNV"),
    (110, "rs4", "A", "T", "dbSNP_156;TSA=SNV;MA=T;MAF=0.25;CLIN_pathogenic"),
    (120, "rs5", "A", "T", "dbSNP_156;TSA=SNV;MA=T;MAF=0.25;CLIN_pathogenic"),
]
_PER_ALT = "%INFO/ENS_ID %INFO/ENS_MATCH %INFO/ENS_MULTI %INFO/ENS_CLIN %INFO/ENS_AF"
PER_ID = [tag.id for tag in TAGS if tag.number == "." and tag.id not in ("ENS_SITE_ID", *GENE_TAGS)]
_PER_ID = "%INFO/ENS_MA %INFO/ENS_MAF %INFO/ENS_TSA %INFO/ENS_SOURCE %INFO/ENS_RSCLIN"


def annotated_parts(folder: Path, *parts: str) -> list[Path]:
    """Annotate VCFs of one sample each, whose records are `POS REF ALT`, joined by commas."""
    write_mirror(folder / "mirror", {"21": _AT_ONE_SITE})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder / "cache"))
        fetch_ensembl(folder / "store", mirrors=[str(folder / "mirror")], release=116)
    head = "##fileformat=VCFv4.2\n##contig=<ID=21,length=46709983>\n"
    head += '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
    made = []
    for number, part in enumerate(parts):
        rows = [record.split() for record in part.split(";")]
        text = "".join(f"21\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t0/1\n" for pos, ref, alt in rows)
        columns = HEADER.splitlines()[-1] + f"\tFORMAT\tS{number}\n"
        source = folder / f"in{number}.vcf"
        source.write_text(head + columns + text)
        made.append(folder / f"out{number}.vcf.gz")
        annotate_vcf(source, folder / "store", out_vcf=made[-1])
    return made


def values(vcf: Path, form: str) -> list[list[str]]:
    """Return POS, ALT and tags of each record."""
    found = run("bcftools", "query", "-f", f"%POS %ALT {form}\n", vcf).stdout
    return [line.split() for line in found.splitlines()]


def test_norm_joins_and_splits_without_losing_a_value_of_an_alt(tmp_path: Path) -> None:
    (apart,) = annotated_parts(tmp_path, "100 A C;100 A T;110 A C;110 A T")
    joined, split = tmp_path / "joined.vcf.gz", tmp_path / "split.vcf.gz"
    run("bcftools", "norm", "-m+", "-Oz", "-o", joined, apart)
    assert values(joined, _PER_ALT) == [
        ["100", "C,T", "rs1,rs2", "exact,exact", "0,0", "benign,.", "0.25,."],
        ["110", "C,T", "rs3,rs4", "exact,exact", "0,0", ".,pathogenic", ".,0.25"],
    ]
    run("bcftools", "norm", "-m-", "-Oz", "-o", split, joined)
    assert values(split, _PER_ALT) == values(apart, _PER_ALT)
    # As docs/output.md says: of the tags per ID, and of all of ours, the first record decides.
    assert values(joined, _PER_ID) == [
        ["100", "C,T", "rs1|C", "rs1|C|0.25", "rs1|SNV", "rs1|dbSNP", "rs1|benign"],
        ["110", "C,T", ".", ".", "rs3|SNV", "rs3|dbSNP", "."],
    ]
    (unknown,) = annotated_parts(tmp_path, "120 A C;120 A T")
    run("bcftools", "norm", "-m+", "-Oz", "-o", joined, unknown)
    assert values(joined, _PER_ALT) == [["120", "C,T", ".", ".", ".", ".", "."]]
    (unknown,) = annotated_parts(tmp_path, "120 A T;120 A C")
    run("bcftools", "norm", "-m+", "-Oz", "-o", joined, unknown)
    assert values(joined, _PER_ALT)[0] == [
        "120", "T,C", "rs5,.", "exact,.", "0,.", "pathogenic,.", "0.25,.",
    ]  # fmt: skip


def test_merge_keeps_the_values_of_each_alt(tmp_path: Path) -> None:
    parts = annotated_parts(tmp_path, "100 A C;110 A C;120 A C", "100 A T;110 A T;120 A T")
    merged = tmp_path / "merged.vcf.gz"
    run("bcftools", "merge", "-Oz", "-o", merged, *parts)
    assert values(merged, _PER_ALT) == [
        ["100", "C,T", "rs1,rs2", "exact,exact", "0,0", "benign,.", "0.25,."],
        ["110", "C,T", "rs3,rs4", "exact,exact", "0,0", ".,pathogenic", ".,0.25"],
        ["120", "C,T", ".,rs5", ".,exact", ".,0", ".,pathogenic", ".,0.25"],
    ]
    assert values(merged, "%INFO/ENS_TSA")[0] == ["100", "C,T", "rs1|SNV"]
    # The rule that docs/output.md names keeps the tags per ID, too.
    rules = ",".join(f"{name}:join" for name in PER_ID)
    run("bcftools", "merge", "-i", rules, "-Oz", "-o", merged, *parts)
    assert values(merged, "%INFO/ENS_TSA %INFO/ENS_RSCLIN") == [
        ["100", "C,T", "rs1|SNV,rs2|SNV", "rs1|benign"],
        ["110", "C,T", "rs3|SNV,rs4|SNV", "rs4|pathogenic"],
        ["120", "C,T", "rs5|SNV", "rs5|pathogenic"],
    ]


def test_a_choice_of_samples_changes_nothing_of_ours(tmp_path: Path) -> None:
    parts = annotated_parts(tmp_path, "100 A C,T;110 A C,T", "100 A T;110 A G")
    merged, chosen = tmp_path / "merged.vcf.gz", tmp_path / "chosen.vcf.gz"
    run("bcftools", "merge", "-Oz", "-o", merged, *parts)
    run("bcftools", "view", "-s", "S0", "-Oz", "-o", chosen, merged)
    for form in (_PER_ALT, _PER_ID):
        assert values(chosen, form) == values(merged, form)
    # With -a the ALTs that no sample has are dropped, and their slots.
    run("bcftools", "view", "-s", "S1", "-a", "-Oz", "-o", chosen, merged)
    assert values(chosen, _PER_ALT) == [
        ["100", "T", "rs2", "exact", "0", ".", "."],
        ["110", "G", ".", ".", ".", ".", "."],
    ]


def trimmed(chrom: str, pos: int, ref: str, alt: str) -> tuple[str, int, str, str]:
    """Return an allele without what REF and ALT share, the right end first."""
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return chrom, pos, ref, alt


def alleles_of(line: str) -> set[tuple[str, int, str, str]]:
    """Return the alleles of a record, those of Y's first pseudo-autosomal region as on X."""
    chrom, pos, _, ref, alts, *_ = line.split("\t")
    chrom = {"M": "MT"}.get(name := chrom.removeprefix("chr"), name)
    if chrom == "Y" and int(pos) < 2781479:
        chrom = "X"
    return {trimmed(chrom, int(pos), ref.upper(), alt.upper()) for alt in alts.split(",")}


def test_the_help_finds_all_pathogenic_variants_of_the_sample(
    annotated: Path, tmp_path: Path
) -> None:
    text = CliRunner().invoke(main, ["annotate", "--help"]).output
    # The pipeline, as it is printed.
    (example,) = re.findall(r"^ +(bcftools view me\.bcf(?:.*\\\n)+.*)$", text, re.MULTILINE)
    assert "pathogenic" in example
    run("bcftools", "view", "-Ob", "-o", tmp_path / "me.bcf", SAMPLE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ensembl_annotations").symlink_to(annotated.with_name("store"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", example],
        cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    # What the mirror's own files say, and the sample's, without any code of ours.
    mirror = ROOT / "data" / "mini_ensembl" / "release-116" / "variation" / "vcf" / "homo_sapiens"
    published = [
        line
        for file in mirror.glob("*.vcf.gz")
        for line in gzip.decompress(file.read_bytes()).decode().splitlines()
        if not line.startswith("#") and "CLIN_pathogenic" in line.split("\t")[7].split(";")
    ]
    wanted = set().union(*map(alleles_of, published))
    sample = run("bcftools", "view", "-H", SAMPLE).stdout.splitlines()
    expected = [line for line in sample if alleles_of(line) & wanted]
    columns = [[line.split("\t")[index] for index in (0, 1, 3, 4)] for line in expected]
    assert [[line.split("\t")[index] for index in (0, 1, 3, 4)] for line in found] == columns
    assert ["chr7", "140753336", "A", "C,G,T"] in columns
    assert len(columns) == 16
