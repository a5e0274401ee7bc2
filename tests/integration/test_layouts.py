"""Every layout of Ensembl's tree, served by a real web server, fetched through the command."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import SourceError, UsageError
from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.manifest import read_manifest
from tests.support.mirror import Row, write_folder, write_mirror, write_one_file
from tests.support.nginx import Nginx, free_port, nginx
from tests.support.vcf import Outcome, invoke

EXTRAS = (
    "homo_sapiens_incl_consequences-chr21.vcf.gz",
    "homo_sapiens_structural_variations.vcf.gz",
    "homo_sapiens_somatic.vcf.gz",
    "1000GENOMES-phase_3.vcf.gz",
)
MOUSE = Layout("mus_musculus", "GRCm39", 116)


def rows(*positions: int) -> list[Row]:
    return [(pos, f"rs{pos}", "A", "G", "dbSNP_156;TSA=SNV") for pos in positions]


def add_extras(folder: Path) -> None:
    """Add files that Ensembl publishes beside ours, to the list too."""
    files = {path.name: path.read_bytes() for path in folder.glob("*.vcf.gz")}
    write_folder(folder, files | {name: gzip.compress(b"extra") for name in EXTRAS})


def write_site(root: Path) -> Path:
    """Write the tree of a site: `pub` with human and mouse, `pub/plants` with a plant."""
    pub = root / "pub"
    split = {"2": rows(20), "21": rows(210), "X": rows(230), "MT": rows(250)}
    for release in (113, 115, 116):
        write_mirror(pub, split, {"21": "A" * 300}, release=release)
        add_extras(pub / Layout("homo_sapiens", "GRCh38", release).vcf_folder)
    write_mirror(pub, {"21": rows(37, 370)}, release=116, assembly="GRCh37")
    whole = {"1": rows(11), "21": rows(2100), "MT": rows(2500)}
    for release, name in ((90, "Homo_sapiens.vcf.gz"), (92, "homo_sapiens.vcf.gz")):
        human = Layout("homo_sapiens", "GRCh38", release)
        write_one_file(pub, human, whole, name=name)
        add_extras(pub / human.vcf_folder)
    mouse = {"1": rows(7, 9), "X": rows(8), "JH584304.1": rows(3)}
    write_one_file(pub, MOUSE, mouse, genome="primary_assembly")
    plant = Layout("arabidopsis_thaliana", "TAIR10", 60)
    write_one_file(pub / "plants", plant, {"1": rows(4), "Pt": rows(5)}, genome="toplevel")
    return root


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def _server(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """The site, with listings at /, without at /quiet/, pages of another kind elsewhere."""
    server = f"""
    autoindex on;
    location /quiet/ {{ alias {site}/; autoindex off; }}
    location /page/ {{ default_type text/html; return 200 "<a href='release-116/'>Sign in"; }}
    location /error/ {{ return 403; }}
    """
    with nginx(tmp_path_factory.mktemp("nginx"), site, server) as running:
        yield running


@pytest.fixture
def server(_server: Nginx) -> Nginx:
    """The same, with a log of its own for each test."""
    (_server.base / "access.log").write_text("")
    return _server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A download cache of one's own, no proxy, and no waiting between attempts."""
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("ensembl_annotations.fetch.mirrors.pause", lambda *_: None)
    return tmp_path / "cache"


def fetch(tmp_path: Path, *options: object) -> Outcome:
    return invoke("fetch", "--out", tmp_path / "store", *options)


# --- What is there -------------------------------------------------------------------------------

HUMAN = ("--species", "homo_sapiens", "--assembly", "GRCh38")
LAYOUTS: dict[str, tuple[str, tuple[object, ...], str, dict[str, int]]] = {
    "human by chromosome": (
        "pub",
        (*HUMAN, "--release", 116),
        "release-116/variation/vcf/homo_sapiens/homo_sapiens-chr{}.vcf.gz",
        {"2": 1, "21": 1, "X": 1, "MT": 1},
    ),
    "some chromosomes": (
        "pub",
        (*HUMAN, "--release", 116, "--chromosomes", "21,MT"),
        "release-116/variation/vcf/homo_sapiens/homo_sapiens-chr{}.vcf.gz",
        {"21": 1, "MT": 1},
    ),
    "GRCh37": (
        "pub",
        ("--assembly", "GRCh37", "--release", 116),
        "grch37/release-116/variation/vcf/homo_sapiens/homo_sapiens-chr{}.vcf.gz",
        {"21": 2},
    ),
    "human in one file": (
        "pub",
        (*HUMAN, "--release", 92, "--chromosomes", "all"),
        "release-92/variation/vcf/homo_sapiens/homo_sapiens.vcf.gz",
        {"1": 1, "21": 1, "MT": 1},
    ),
    "human in one file with a capital": (
        "pub",
        (*HUMAN, "--release", 90),
        "release-90/variation/vcf/homo_sapiens/Homo_sapiens.vcf.gz",
        {"1": 1, "21": 1, "MT": 1},
    ),
    "mouse": (
        "pub/",
        ("--species", "mus_musculus", "--assembly", "GRCm39", "--release", 116),
        "release-116/variation/vcf/mus_musculus/mus_musculus.vcf.gz",
        {"1": 2, "X": 1, "JH584304.1": 1},
    ),
    "a plant": (
        "pub/plants",
        ("--species", "arabidopsis_thaliana", "--assembly", "TAIR10", "--release", 60),
        "release-60/variation/vcf/arabidopsis_thaliana/arabidopsis_thaliana.vcf.gz",
        {"1": 1, "Pt": 1},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_fetched(name: str, server: Nginx, tmp_path: Path) -> None:
    base, options, source, expected = LAYOUTS[name]
    fetch(tmp_path, "--base-url", f"{server.url}/{base}", *options).succeeded()
    invoke("verify", tmp_path / "store").succeeded()
    package = json.loads((tmp_path / "store" / "datapackage.json").read_bytes())
    alleles = [item for item in package["resources"] if item["role"] == "alleles"]
    assert {item["chromosome"]: item["num_rows"] for item in alleles} == expected
    for item in alleles:
        assert (tmp_path / "store" / item["path"]).is_file()
        assert [part["path"] for part in item["sources"]] == [source.format(item["chromosome"])]
    assert package["num_variants"] == sum(expected.values())
    asked = [path for _, _, _, path, _ in server.requests()]
    assert not any(extra in path for extra in EXTRAS for path in asked)
    assert not any(path.endswith("/") for path in asked)


@pytest.mark.parametrize(
    ("name", "genome"),
    [
        ("mouse", "Mus_musculus.GRCm39.dna.primary_assembly.fa.gz"),
        ("a plant", "Arabidopsis_thaliana.TAIR10.dna.toplevel.fa.gz"),
    ],
)
def test_a_species_in_one_file_has_one_genome(
    name: str, genome: str, server: Nginx, tmp_path: Path
) -> None:
    base, options, _, expected = LAYOUTS[name]
    fetch(tmp_path, "--base-url", f"{server.url}/{base}", *options, "--fasta").succeeded()
    invoke("verify", tmp_path / "store").succeeded()
    assert sum(row[3].endswith(f"/dna/{genome}") for row in server.requests()) == 1
    package = json.loads((tmp_path / "store" / "datapackage.json").read_bytes())
    sequences = [item for item in package["resources"] if item["role"] == "sequence"]
    assert {item["chromosome"] for item in sequences} == set(expected)


def test_human_has_its_sequences_by_chromosome(server: Nginx) -> None:
    manifest = read_manifest([f"{server.url}/pub"], Layout("homo_sapiens", "GRCh38", 116))
    assert [file.chromosome for file in manifest.vcf] == ["2", "21", "X", "MT"]
    assert [file.chromosome for file in manifest.fasta] == ["21"]
    assert manifest.files_of("fasta", ["X"]) == []


# --- What is not there ---------------------------------------------------------------------------


def test_one_file_has_no_chromosomes_to_choose(server: Nginx, tmp_path: Path) -> None:
    options = ("--species", "mus_musculus", "--assembly", "GRCm39", "--release", 116)
    url = f"{server.url}/pub"
    outcome = fetch(tmp_path, "--base-url", url, *options, "--chromosomes", "1,X")
    outcome.failed("1, X", "one file", "mus_musculus.vcf.gz", "'all'", code=2)


@pytest.mark.parametrize("assembly", ["GRCm38", "GRCh38"])
def test_another_assembly_than_the_release_has(
    assembly: str, server: Nginx, tmp_path: Path
) -> None:
    """The path of the variation files does not say it, the sequences do."""
    options = ("--species", "mus_musculus", "--assembly", assembly, "--release", 116)
    outcome = fetch(tmp_path, "--base-url", f"{server.url}/pub", *options)
    outcome.failed("sequences are of GRCm39", f"expected {assembly}")
    assert not (tmp_path / "store").exists()


def test_an_assembly_of_human_for_another_species(site: Path, tmp_path: Path) -> None:
    base = shutil.copytree(site / "pub" / MOUSE.vcf_folder, tmp_path / "m" / MOUSE.vcf_folder)
    assert base.is_dir()
    options = ("--species", "mus_musculus", "--release", 116)
    outcome = fetch(tmp_path, "--base-url", tmp_path / "m", *options)
    outcome.failed("GRCh38 is an assembly of human, not of mus_musculus")


MISSING: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
    "release": (
        (*HUMAN, "--release", 114),
        ("has for GRCh38 releases 90, 92, 113, 115, 116.",),
    ),
    "species": (
        ("--species", "mus_muscullus", "--release", 116),
        ("Did you mean 'mus_musculus'?",),
    ),
    "species that is nothing like it": (
        ("--species", "zzz", "--release", 116),
        ("in release 116 the species homo_sapiens, mus_musculus.",),
    ),
    "branch": (
        ("--assembly", "GRCh37", "--release", 115),
        ("has release 115 for GRCh38.", "has for GRCh37 release 116."),
    ),
    "GRCh37 before it had a branch": (
        ("--assembly", "GRCh37", "--release", 75),
        ("has for GRCh37 releases",),
    ),
}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("over", ["http", "folder", "file"])
def test_what_is_not_there_is_answered_with_what_is(
    name: str, over: str, site: Path, server: Nginx, tmp_path: Path
) -> None:
    options, words = MISSING[name]
    bases = {"http": f"{server.url}/pub", "folder": site / "pub", "file": f"file://{site}/pub"}
    outcome = fetch(tmp_path, "--base-url", bases[over], *options)
    outcome.failed("CHECKSUMS: not found", "Check the release", *words)
    assert len(server.requests()) <= 5


QUIET: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
    "release": (
        (*HUMAN, "--release", 114),
        ("Near it,", "has for GRCh38 releases 113, 115, 116."),
    ),
    "branch": (
        ("--assembly", "GRCh37", "--release", 115),
        ("has release 115 for GRCh38.", "has for GRCh37 release 116."),
    ),
    "far from all": ((*HUMAN, "--release", 999), ("Check the release, species and assembly.",)),
}


@pytest.mark.parametrize("name", QUIET)
def test_without_a_listing_the_neighbours_are_tried(
    name: str, server: Nginx, tmp_path: Path
) -> None:
    options, words = QUIET[name]
    outcome = fetch(tmp_path, "--base-url", f"{server.url}/quiet/pub", *options)
    outcome.failed("404", *words)
    assert len(server.requests()) <= 11
    assert sum(row[3].endswith("CHECKSUMS") for row in server.requests()) <= 9


def test_a_page_for_every_address_is_no_list(server: Nginx, tmp_path: Path) -> None:
    outcome = fetch(tmp_path, "--base-url", f"{server.url}/page", *HUMAN, "--release", 116)
    outcome.failed("CHECKSUMS, line 1", "error page")
    assert len(server.requests()) == 1


@pytest.mark.parametrize(
    "page",
    [
        "",
        "\0\xff\xfe<a href=",
        "<![x[<a href='release-1/'>",
        '<a href="/login">Sign in</a> <a href="https://elsewhere/release-116/">x</a>',
        '<a href="../">Up</a><a href="?C=N;O=D">Name</a><a href="http://[::1">x</a>',
        "<a href='a/b/release-116/'>deeper</a>",
        "<a href='%2e%2e/'>up</a><a href='a%2fb/'>deeper</a>",
        "<a " * 500_000,
        '<a href="' * 200_000,
        "<a href" + " " * 1_000_000,
    ],
)
def test_a_page_of_another_kind_breaks_nothing(page: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "index.html").write_text(page, encoding="latin-1")
    with nginx(tmp_path / "nginx", root) as server:
        outcome = fetch(tmp_path, "--base-url", server.url, *HUMAN, "--release", 116)
        outcome.failed("404", "Check the release, species and assembly.")
        assert "There" not in outcome.stderr
        assert len(server.requests()) <= 11


@pytest.mark.parametrize(
    "page",
    [
        '<img src="/icons/folder.gif"> <a href="release-9/">release-9/</a> 2026-01-01 <a href="x">',
        "<A HREF=/release-9/>",
        "<a class='d' href='./release-9/'>",
        '<a title="x" href="http://{host}/release-9/?x#y">',
        "<table><tr><td><a href=release-9/>",
    ],
)
def test_listings_of_several_kinds(page: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with nginx(tmp_path / "nginx", root) as server:
        (root / "index.html").write_text(page.format(host=server.url.removeprefix("http://")))
        options = ("--species", "mus_musculus", "--assembly", "NCBIM34", "--release", 116)
        outcome = fetch(tmp_path, "--base-url", server.url, *options)
    outcome.failed("has for NCBIM34 release 9.")


# --- Several mirrors -----------------------------------------------------------------------------


def test_every_mirror_has_its_line(server: Nginx, tmp_path: Path) -> None:
    refusing = f"http://user:secret@127.0.0.1:{free_port()}/pub"
    bases = [refusing, f"{server.url}/error", f"{server.url}/page", f"{server.url}/pub"]
    options = [item for base in bases for item in ("--base-url", base)]
    outcome = fetch(tmp_path, *options, *HUMAN, "--release", 117)
    outcome.failed(
        "None of 4 mirrors",
        "connection refused",
        "/error/release-117/variation/vcf/homo_sapiens/CHECKSUMS: HTTP 403",
        f"{server.url}/page: release-117",
        f"{server.url}/pub/release-117/variation/vcf/homo_sapiens/CHECKSUMS: not found",
        "releases 90, 92, 113, 115, 116.",
    )
    assert "secret" not in outcome.stderr
    reasons = [line for line in outcome.stderr.splitlines() if line.startswith("  ")]
    assert len(reasons) == 4


def test_the_code_is_not_found_where_one_says_so(server: Nginx) -> None:
    layout = Layout("homo_sapiens", "GRCh38", 117)
    for paths, code in ((("error", "pub"), "not_found"), (("error", "error"), "refused")):
        with pytest.raises(SourceError) as caught:
            read_manifest([f"{server.url}/{path}" for path in paths], layout)
        assert (caught.value.code, caught.value.exit_code) == (code, 1)


def test_no_mirror_is_asked_for_what_can_not_be(server: Nginx) -> None:
    with pytest.raises(UsageError):
        read_manifest([f"{server.url}/pub"], Layout("homo_sapiens", "hg19", 116))
    assert server.requests() == []
