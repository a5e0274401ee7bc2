"""The embedded demonstration mirror: reproducible, small, and odd where Ensembl is odd."""

from __future__ import annotations

import gzip
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pysam
import pytest
from click.testing import CliRunner

REPO = Path(__file__).resolve().parents[2]
MIRROR = REPO / "data" / "mini_ensembl"
SAMPLE = REPO / "data" / "vcf" / "sample.vcf.gz"
SCRIPT = REPO / "scripts" / "make_mini_ensembl.py"
ROOTS = ("release-115", "release-116", "grch37/release-116")
CHROMOSOMES = [*map(str, range(1, 23)), "X", "Y", "MT"]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_mini_ensembl", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script = load_script()


def run(folder: Path) -> dict[str, bytes]:
    """Run the script and return what it wrote."""
    options = ["--out", str(folder / "mirror"), "--samples", str(folder / "vcf")]
    result = CliRunner().invoke(script.main, options, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return contents(folder / "mirror") | contents(folder / "vcf")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run(tmp_path_factory.mktemp("fresh"))


def records(root: str, chrom: str) -> list[list[str]]:
    path = MIRROR / root / "variation/vcf/homo_sapiens" / f"homo_sapiens-chr{chrom}.vcf.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    """All records of release 116 on GRCh38, by ID."""
    return {cells[2]: cells for chrom in CHROMOSOMES for cells in records("release-116", chrom)}


def tags(cells: list[str]) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in cells[7].split(";"))


def test_committed_files_are_those_of_a_fresh_run(fresh: dict[str, bytes]) -> None:
    committed = contents(MIRROR) | {"sample.vcf.gz": SAMPLE.read_bytes()}
    assert committed.keys() == fresh.keys()
    assert [name for name in fresh if fresh[name] != committed[name]] == []


def test_another_run_writes_the_same_bytes_and_removes_what_it_did_not_write(
    fresh: dict[str, bytes], tmp_path: Path
) -> None:
    stale = tmp_path / "mirror/release-115/old/stale.vcf.gz"
    stale.parent.mkdir(parents=True)
    stale.touch()
    assert run(tmp_path) == fresh
    assert not stale.parent.exists()


def test_mirror_is_small() -> None:
    assert sum(map(len, contents(MIRROR).values())) < 1_500_000


def test_gzip_headers_hold_no_time_and_no_name(fresh: dict[str, bytes]) -> None:
    for name, data in fresh.items():
        if name.endswith((".fa.gz", ".gff3.gz")):
            assert data[:10] == bytes.fromhex("1f8b08000000000002ff"), name
        elif name.endswith(".vcf.gz"):
            assert data[:16] == bytes.fromhex("1f8b08040000000000ff060042430200"), name
            assert data.endswith(script.compress_bgzf(b"")), name


@pytest.mark.parametrize("root", ROOTS)
def test_every_chromosome_has_sorted_records(root: str) -> None:
    for chrom in CHROMOSOMES:
        found = records(root, chrom)
        positions = [int(cells[1].rstrip("x")) for cells in found]
        assert positions and positions == sorted(positions), chrom
        assert {cells[0] for cells in found} == {chrom}
        assert {len(cells) for cells in found} == {8}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    "folder",
    [
        "variation/vcf/homo_sapiens",
        "fasta/homo_sapiens/dna",
        "fasta/homo_sapiens/pep",
        "gff3/homo_sapiens",
    ],
)
def test_checksums_are_those_of_coreutils(root: str, folder: str) -> None:
    here = MIRROR / root / folder
    lines = (here / "CHECKSUMS").read_text().splitlines()
    listed = dict(reversed(line.split("\t")) for line in lines)
    assert listed.keys() == {path.name for path in here.iterdir()} - {"CHECKSUMS"}
    for name, printed in listed.items():
        data = (here / name).read_bytes()
        assert printed == f"{script.bsd_sum(data):05d} {-(-len(data) // 1024):5d}"
        if shutil.which("sum"):
            with (here / name).open("rb") as handle:
                run_sum = subprocess.run(
                    ["sum", "-r"], check=False, stdin=handle, capture_output=True, text=True
                )
            assert run_sum.stdout.split() == printed.split(), name


@pytest.mark.parametrize(
    ("root", "assembly", "length"),
    [
        ("release-115", "GRCh38", 50818468),
        ("release-116", "GRCh38", 50818468),
        ("grch37/release-116", "GRCh37", 51304566),
    ],
)
def test_fasta_has_the_real_length_and_the_known_bases(
    root: str, assembly: str, length: int
) -> None:
    name = f"Homo_sapiens.{assembly}.dna.chromosome.22.fa.gz"
    text = gzip.decompress((MIRROR / root / "fasta/homo_sapiens/dna" / name).read_bytes())
    title, _, body = text.partition(b"\n")
    assert title.decode() == f">22 dna:chromosome chromosome:{assembly}:22:1:{length}:1 REF"
    assert body.index(b"\n") == 60
    sequence = body.replace(b"\n", b"")
    assert len(sequence) == length
    assert sequence[10000100:10000107] == b"CAAAAAT"
    for cells in records(root, "22"):
        if cells[1].isdigit() and set(cells[3]) <= set("ACGT"):
            begin = int(cells[1]) - 1
            assert sequence[begin : begin + len(cells[3])].decode() == cells[3], cells


def test_header_is_like_ensembls() -> None:
    orders = set()
    for root in ROOTS:
        number = root.rpartition("-")[2]
        for chrom in CHROMOSOMES:
            path = MIRROR / root / "variation/vcf/homo_sapiens" / f"homo_sapiens-chr{chrom}.vcf.gz"
            lines = gzip.decompress(path.read_bytes()).decode().splitlines()
            head = [line for line in lines if line.startswith("##")]
            assert head[0] == "##fileformat=VCFv4.1"
            assert head[2].startswith(f"##source=ensembl;version={number};url=")
            folder = f"https://ftp.ensembl.org/pub/{root}/fasta/homo_sapiens/dna/"
            assert head[3] == f"##reference={folder}"
            assert not any(line.startswith("##contig") for line in head)
            orders.add(tuple(line.split(",")[0] for line in head[4:]))
            clinvar = "ClinVar_202502" if number == "115" else "ClinVar_202509"
            assert sum(clinvar in line for line in head) == 1
    assert len(orders) > len(CHROMOSOMES)


def test_published_rows_are_as_ensembl_has_them(rows: dict[str, list[str]]) -> None:
    assert rows["rs549962048"] == (
        ["21", "33248751", "rs549962048", "A", "C,G", ".", ".", "dbSNP_156;TSA=SNV;E_gnomAD;;AA=A"]
    )
    shared = "dbSNP_156;TSA=indel;E_Freq;E_TOPMed;AA="
    assert rows["rs1014128468"][1:5] == ["1000095", "rs1014128468", "CGC", "C"]
    assert rows["rs1014128468"][7] == f"{shared}CGCGCGCGC"
    assert rows["rs1469404497"][1:5] == ["1000013", "rs1469404497", "G", "GCCACGGG"]
    assert rows["rs1469404497"][7] == f"{shared}GCCACGG"
    common = "dbSNP_156;TSA=SNV;E_Freq;E_1000G;E_TOPMed;E_gnomAD;MA=G;MAF=0.1418;MAC=710"
    assert rows["rs12238997"][7] == common


@pytest.mark.parametrize(
    ("name", "ref", "alt", "minor"),
    [
        ("rs9000000104", "TA", "T", "TA"),
        ("rs9000000105", "GT", "G", "-"),
        ("rs9000000106", "A", "ATC", "TC"),
        ("rs9000000107", "ATTC", "A,ATC,ATTTC", "TC"),
        ("rs9000000109", "A", "AA", "A"),
        ("rs2476601", "A", "G", "A"),
    ],
)
def test_minor_allele_spellings(
    rows: dict[str, list[str]], name: str, ref: str, alt: str, minor: str
) -> None:
    assert rows[name][3:5] == [ref, alt]
    assert tags(rows[name])["MA"] == minor


def test_records_without_alleles_and_odd_alleles(rows: dict[str, list[str]]) -> None:
    bare = {cells[4] for name, cells in rows.items() if name.startswith(("CM", "COSV"))}
    assert {".", "N", "<.>", "A."} <= bare
    assert rows["rs9000000301"][3] == "R"
    assert rows["rs9000000302"][4] == "R"
    assert rows["rs9000000303"][4] == ""
    assert rows["rs9000000308"][1:5] == ["3106", "rs9000000308", "CN", "C"]


def test_positions_and_alleles_are_shared(rows: dict[str, list[str]]) -> None:
    def at(*place: str) -> list[str]:
        return [name for name, cells in rows.items() if cells[:2] == list(place)]

    assert at("1", "1000095") == ["rs865913574", "rs1014128468"]
    assert at("7", "140753336") == ["rs113488022", "COSV99999901", "CM999901"]
    assert rows["COSV99999901"][4] == rows["CM999901"][4] == "T"
    assert "T" in rows["rs113488022"][4].split(",")
    assert at("22", "10000561") == ["rs9000000312", "rs9000000313"]
    assert rows["rs9000000312"][3:5] == rows["rs9000000313"][3:5]


def test_odd_info_and_a_broken_row(rows: dict[str, list[str]]) -> None:
    assert "E_NewEvidence" in tags(rows["rs9000000305"])
    assert tags(rows["rs9000000306"])["XYZ"] == "1"
    assert "Demo Panel_1" in tags(rows["rs9000000307"])
    assert rows["rs9000000304"][1] == "10000531x"
    assert ";;" in rows["rs9000000325"][7] and "CLIN_benign" in rows["rs9000000325"][7]
    terms = {tag for tag in tags(rows["rs9000000246"]) if tag.startswith("CLIN_")}
    assert terms == {"CLIN_likely_pathogenic", "CLIN_uncertain_significance", "CLIN_benign"}


def test_frequencies_fit_their_counts(rows: dict[str, list[str]]) -> None:
    with_maf = [tags(cells) for cells in rows.values() if "MAF=" in cells[7]]
    assert len(with_maf) >= 25
    for found in with_maf:
        assert abs(int(found["MAC"]) - float(found["MAF"]) * 5008) <= 0.5


def test_releases_differ_where_the_table_says_so(rows: dict[str, list[str]]) -> None:
    old = {cells[2]: cells for chrom in CHROMOSOMES for cells in records("release-115", chrom)}
    assert {"rs9000000201", "rs9000000202", "rs9000000203"} <= rows.keys() - old.keys()
    assert {"rs9000000211", "rs9000000212", "rs9000000213"} <= old.keys() - rows.keys()
    assert {"rs34983651", "rs9000000221", "rs9000000223"} <= old.keys() - rows.keys()
    assert {"rs3064744", "rs9000000222", "rs9000000224"} <= rows.keys()

    def terms(cells: list[str]) -> set[str]:
        return {tag for tag in tags(cells) if tag.startswith(("CLIN_", "MAF"))}

    clinical = {name for name in rows.keys() & old.keys() if terms(rows[name]) != terms(old[name])}
    assert clinical == {f"rs900000024{digit}" for digit in range(1, 6)}
    for name in ("rs9000000231", "rs9000000232"):
        assert tags(rows[name])["MAF"] != tags(old[name])["MAF"]


def test_swapped_alleles_on_grch37(rows: dict[str, list[str]]) -> None:
    [leiden] = [cells for cells in records("grch37/release-116", "1") if cells[2] == "rs6025"]
    assert leiden[1:5] == ["169519049", "rs6025", "T", "C"]
    assert rows["rs6025"][3:5] == ["C", "T"]
    assert tags(leiden)["MA"] == "T"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("pos38", "12x", "pos38 '12x' is not a number"),
        ("alt", "Q", "are not A, C, G and T alone"),
        ("clin", "lethal", "unknown clinical term"),
        ("maf", "0.7", "MAF 0.7 is not a decimal"),
        ("ma", "T", "MA T is none of"),
    ],
)
def test_malformed_rows_are_refused(tmp_path: Path, column: str, value: str, message: str) -> None:
    changed = tmp_path / "table.tsv"
    changed.write_text(edited("rs1801133", column, value))
    with pytest.raises(click.ClickException, match="rs1801133") as caught:
        script.read_table(changed)
    assert message in caught.value.message


def test_contradicting_reference_bases_are_refused(tmp_path: Path) -> None:
    changed = tmp_path / "table.tsv"
    changed.write_text(edited("rs9000000312", "ref", "A"))
    with pytest.raises(click.ClickException, match="22:10000561 is T, rs9000000312 says A"):
        script.known_bases(script.read_table(changed), "GRCh38")


def edited(name: str, column: str, value: str) -> str:
    """Return the table with one cell changed."""
    lines = script.TABLE.read_text().splitlines()
    columns = next(line for line in lines if not line.startswith("#")).split("\t")
    for number, line in enumerate(lines):
        cells = line.split("\t")
        if name in cells:
            cells[columns.index(column)] = value
            lines[number] = "\t".join(cells)
    return "\n".join(lines) + "\n"


def test_sample_is_read_by_pysam_without_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    with pysam.VariantFile(str(SAMPLE)) as vcf:
        assert list(vcf.header.samples) == ["demo"]
        lengths = {name: contig.length for name, contig in vcf.header.contigs.items()}
        calls = [(call.contig, call.pos) for call in vcf]
    assert 120 <= len(calls) <= 180
    order = list(lengths)
    assert calls == sorted(calls, key=lambda call: (order.index(call[0]), call[1]))
    assert (lengths["chr1"], lengths["chrM"], len(lengths)) == (248956422, 16569, 26)
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "index file" not in line] == []


def test_sample_is_read_by_bcftools_without_a_warning() -> None:
    if not shutil.which("bcftools"):
        pytest.skip("bcftools is not installed")
    command = ["bcftools", "view", str(SAMPLE)]
    seen = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (seen.returncode, seen.stderr) == (0, "")


def test_sample_holds_every_kind_of_case() -> None:
    lines = gzip.decompress(SAMPLE.read_bytes()).decode().splitlines()
    calls = {tuple(line.split("\t")[i] for i in (0, 1, 3, 4)) for line in lines if line[0] != "#"}
    for case in script.SPECIAL.splitlines()[1:]:
        contig, pos, _, ref, alt = case.split()[:5]
        assert (contig, pos, ref, alt) in calls


def sequences(root: str) -> dict[str, str]:
    found = {}
    for path in (MIRROR / root / "fasta/homo_sapiens/dna").glob("*.fa.gz"):
        title, _, body = gzip.decompress(path.read_bytes()).decode().partition("\n")
        found[title.split()[0][1:]] = body.replace("\n", "")
    return found


def test_every_ref_of_the_sample_is_what_the_sequence_has() -> None:
    bases = {
        "chr22" if name == "22" else "chrM": text for name, text in sequences(ROOTS[1]).items()
    }
    with pysam.VariantFile(str(SAMPLE)) as vcf:
        calls = [call for call in vcf if call.contig in bases]
    assert len(calls) > 40
    for call in calls:
        known = bases[call.contig][call.start : call.stop]
        assert all(base in (ref, "N") for base, ref in zip(known, call.ref or "", strict=True)), (
            call
        )


@pytest.mark.parametrize("root", ROOTS)
def test_genes_are_invented_and_of_every_kind(root: str) -> None:
    lines = [
        line.split("\t")
        for path in (MIRROR / root / "gff3/homo_sapiens").glob("*.gff3.gz")
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
        if not line.startswith("#")
    ]
    genes = [line for line in lines if "ID=gene:" in line[8]]
    assert len(genes) == (13 if "115" in root else 14)
    assert all("Name=DEMO" in line[8] and "ID=gene:ENSG9" in line[8] for line in genes)
    assert {line[0] for line in genes} == {"22", "MT"}
    # Where no real gene can be: 22 begins with a gap in both assemblies.
    assert all(int(line[4]) < 10_500_000 for line in genes if line[0] == "22")
    for chrom in ("22", "MT"):
        assert {line[6] for line in genes if line[0] == chrom} == {"+", "-"}
    assert sum("MANE_Plus_Clinical" in line[8] for line in lines) == 1
    assert {"mRNA", "lnc_RNA", "pseudogenic_transcript", "tRNA"} <= {line[2] for line in lines}
