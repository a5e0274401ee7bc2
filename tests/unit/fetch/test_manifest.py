"""Lists of what is published: what is read of them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import (
    NotPublishedError,
    SourceError,
    UsageError,
    WrongAssemblyError,
)
from ensembl_annotations.fetch.layouts import Layout
from ensembl_annotations.fetch.manifest import (
    Manifest,
    PublishedFile,
    ensure_manifest,
    load_manifest,
    no_answer,
    read_manifest,
    save_manifest,
)

ROOT = Path(__file__).parents[3]
HUMAN = Layout("homo_sapiens", "GRCh38", 116)
MOUSE = Layout("mus_musculus", "GRCm39", 116)

# --- Which names are ours ------------------------------------------------------------------------

EXTRAS = [
    "homo_sapiens_incl_consequences-chr21.vcf.gz",
    "homo_sapiens_structural_variations.vcf.gz",
    "homo_sapiens_somatic.vcf.gz",
    "homo_sapiens_somatic_incl_consequences.vcf.gz",
    "homo_sapiens_phenotype_associated.vcf.gz",
    "homo_sapiens_clinically_associated.vcf.gz",
    "1000GENOMES-phase_3.vcf.gz",
    "homo_sapiens-chr21.vcf.gz.csi",
    "homo_sapiens.vcf.gz.tbi",
    "homo_sapiens-chrHSCHR21_1.vcf.gz",
    "homo_sapiens-chr.vcf.gz",
    "homo_sapiens-chr21.vcf",
    "README",
]


def test_the_extras_of_human_are_not_ours() -> None:
    assert HUMAN.choose_vcfs(EXTRAS) == {}
    ours = {"21": "homo_sapiens-chr21.vcf.gz", "MT": "homo_sapiens-chrMT.vcf.gz"}
    assert HUMAN.choose_vcfs([*EXTRAS, *ours.values()]) == ours


@pytest.mark.parametrize("name", ["Homo_sapiens.vcf.gz", "homo_sapiens.vcf.gz"])
def test_human_in_one_file(name: str) -> None:
    assert HUMAN.choose_vcfs([*EXTRAS, name]) == {"all": name}


def test_chromosomes_go_before_one_file_and_lower_case_before_capitals() -> None:
    split = "homo_sapiens-chr21.vcf.gz"
    assert HUMAN.choose_vcfs(["homo_sapiens.vcf.gz", split]) == {"21": split}
    both = ["mus_musculus.vcf.gz", "Mus_musculus.vcf.gz"]
    assert MOUSE.choose_vcfs(both) == MOUSE.choose_vcfs(both[::-1]) == {"all": both[0]}


def test_another_species_may_be_split_too_and_a_strain_is_another_species() -> None:
    names = ["mus_musculus-chrX.vcf.gz", "mus_musculus_akrj.vcf.gz", "MUS_MUSCULUS.vcf.gz"]
    assert MOUSE.choose_vcfs(names) == {"X": names[0]}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["toplevel", "primary_assembly"], "primary_assembly"),
        (["toplevel", "chromosome.1"], "toplevel"),
        (["chromosome.1"], None),
    ],
)
def test_the_genome_of_a_species_in_one_file(kinds: list[str], expected: str | None) -> None:
    names = [f"Mus_musculus.GRCm39.dna.{kind}.fa.gz" for kind in kinds]
    names += [name.replace(".dna.", ".dna_sm.") for name in names]
    found = MOUSE.choose_fastas(names, ["all"])
    assert found == ({"all": f"Mus_musculus.GRCm39.dna.{expected}.fa.gz"} if expected else {})


def test_a_sequence_that_is_masked_in_lower_case_is_taken_where_it_is_the_only_one() -> None:
    plain, masked = (
        f"Homo_sapiens.GRCh38.{kind}.chromosome.21.fa.gz" for kind in ("dna", "dna_sm")
    )
    assert HUMAN.choose_fastas([masked, plain], ["21"]) == {"21": plain}
    assert HUMAN.choose_fastas([masked], ["21"]) == {"21": masked}
    assert HUMAN.choose_fastas([masked.replace("_sm", "_rm")], ["21"]) == {}


def test_without_variation_all_sequences_are_ours() -> None:
    names = [
        "Homo_sapiens.GRCh38.dna.chromosome.MT.fa.gz",
        "Homo_sapiens.GRCh38.dna_sm.chromosome.21.fa.gz",
        "Homo_sapiens.GRCh38.dna.chromosome.CHR_HSCHR1_1_CTG3.fa.gz",
        "Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz",
        "Homo_sapiens.GRCh38.dna.toplevel.fa.gz",
    ]
    assert HUMAN.choose_fastas(names, []) == {"MT": names[0], "21": names[1]}
    assert HUMAN.choose_fastas(names[2:], []) == {"all": names[3]}


GFF3 = "Homo_sapiens.GRCh38.116"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"{GFF3}.gff3.gz", f"{GFF3}.chr.gff3.gz", f"{GFF3}.chromosome.21.gff3.gz"], {"21": 2}),
        ([f"{GFF3}.gff3.gz", f"{GFF3}.chr.gff3.gz"], {"all": 1}),
        ([f"{GFF3}.gff3.gz", f"{GFF3}.abinitio.gff3.gz"], {"all": 0}),
        (["Homo_sapiens.GRCh38.chr.gff3.gz"], {"all": 0}),
        (["Homo_sapiens.GRCh38.87.chr.gff3.gz", "Homo_sapiens.GRCh38.9.chr.gff3.gz"], {"all": 0}),
        ([f"{GFF3}.chr_patch_hapl_scaff.gff3.gz", "Homo_sapiens.GRCh37.116.chr.gff3.gz"], {}),
    ],
)
def test_gene_models_of_chromosomes_go_before_one_file(
    names: list[str], expected: dict[str, int]
) -> None:
    for order in (names, names[::-1]):
        found = HUMAN.choose_gff3s(order)
        assert found == {name: names[place] for name, place in expected.items()}


def test_all_peptides_are_one_file() -> None:
    name = "Homo_sapiens.GRCh38.pep.all.fa.gz"
    assert HUMAN.choose_peptides(["Homo_sapiens.GRCh38.pep.abinitio.fa.gz"]) == {}
    assert HUMAN.choose_peptides([name]) == {"all": name}


@pytest.mark.parametrize(
    ("layout", "there", "fits"),
    [
        (MOUSE, "GRCm39", True),
        (MOUSE, "GRCm38", False),
        (Layout("drosophila_melanogaster", "BDGP6.46", 46), "BDGP6.46", True),
        (Layout("drosophila_melanogaster", "BDGP6", 111), "BDGP6.46", False),
        (Layout("homo_sapiens", "GRCh37", 75), "GRCh37.75", True),
        (Layout("homo_sapiens", "GRCh37", 116), "GRCh38", False),
    ],
)
def test_the_names_of_sequences_tell_the_assembly(layout: Layout, there: str, fits: bool) -> None:
    name = f"{layout.species.capitalize()}.{there}.dna_sm.toplevel.fa.gz"
    layout.confirm_assembly(["README"], "x")
    if fits:
        layout.confirm_assembly(["README", name], "x")
        return
    with pytest.raises(SourceError, match=f"x: the sequences are of {there}; expected") as caught:
        layout.confirm_assembly(["README", name], "x")
    assert caught.value.code == "assembly"


def test_folders() -> None:
    assert HUMAN.vcf_folder == "release-116/variation/vcf/homo_sapiens"
    older = Layout("homo_sapiens", "GRCh37", 116)
    assert older.vcf_folder == "grch37/release-116/variation/vcf/homo_sapiens"
    assert older.fasta_folder == "grch37/release-116/fasta/homo_sapiens/dna"
    assert older.gff3_folder == "grch37/release-116/gff3/homo_sapiens"
    assert older.peptide_folder == "grch37/release-116/fasta/homo_sapiens/pep"
    assert older.fasta_name("21") == "Homo_sapiens.GRCh37.dna.chromosome.21.fa.gz"
    assert Layout("homo_sapiens", "GRCh37", 75).releases_folder == ""
    assert Layout("homo_sapiens", "GRCh37", 76).releases_folder == "grch37"


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout("Homo_sapiens", "GRCh38", 116), "Did you mean 'homo_sapiens'"),
        (Layout("Mus musculus", "GRCm39", 116), "Did you mean 'mus_musculus'"),
        (Layout("../x", "GRCh38", 116), "species"),
        (Layout("mus_musculus", "../x", 116), "assembly"),
        (Layout("homo_sapiens", "hg19", 116), "Did you mean 'GRCh37'"),
        (Layout("homo_sapiens", "grch38", 116), "Did you mean 'GRCh38'"),
        (Layout("homo_sapiens", "T2T-CHM13", 116), "GRCh37 or GRCh38"),
        (Layout("homo_sapiens", "GRCh38", 75), "since release 76"),
    ],
)
def test_what_can_not_go_together_is_refused_before_a_mirror_is_asked(
    layout: Layout, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        read_manifest(["/no/such/mirror"], layout)


def test_releases_are_told_from_folder_names() -> None:
    assert MOUSE.release_of("release-40") == 40
    assert HUMAN.release_of("release-116") == 116
    assert HUMAN.release_of("release-75") is None
    for name in ("current", "release-", "release-x", "release-1162026", "release-\u0661", "x"):
        assert HUMAN.release_of(name) is None


# --- The manifest --------------------------------------------------------------------------------


def published(*chromosomes: str) -> tuple[PublishedFile, ...]:
    return tuple(PublishedFile(f"x-chr{name}.vcf.gz", name, 1, 2) for name in chromosomes)


def test_a_species_in_one_file_has_no_chromosomes_to_choose() -> None:
    manifest = Manifest("mus_musculus", "GRCm39", 116, published("all"), published("all"))
    assert manifest.choose(None) == ["all"]
    assert manifest.files_of("fasta", ["all"]) == list(published("all"))
    for wanted in (["21", "22"], ["all", "21"]):
        with pytest.raises(UsageError, match=r"21.* one file, x-chrall.*to 'all'"):
            manifest.choose(wanted)


@pytest.mark.parametrize("path", sorted((ROOT / "data" / "manifests").glob("mini-*.json")), ids=str)
def test_a_manifest_that_is_written_again_is_the_same(path: Path, tmp_path: Path) -> None:
    noted = load_manifest(path)
    mirror = str(ROOT / "data" / "mini_ensembl")
    for manifest in (noted, read_manifest([mirror], noted.layout)):
        save_manifest(manifest, tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


GOOD = asdict(Manifest("homo_sapiens", "GRCh38", 116, published("1", "2"), ()))
FILE = GOOD["vcf"][0]
BAD: dict[str, object] = {
    "a list": [],
    "null": None,
    "a number": 7,
    "no species": {key: value for key, value in GOOD.items() if key != "species"},
    "a species of another type": GOOD | {"species": ["homo_sapiens"]},
    "a release of another type": GOOD | {"release": "116"},
    "a release that is true": GOOD | {"release": True},
    "no files": GOOD | {"vcf": []},
    "files of another type": GOOD | {"vcf": 7},
    "a name with a path": GOOD | {"vcf": [FILE | {"name": "../../x"}]},
    "a name of another type": GOOD | {"vcf": [FILE | {"name": 7}]},
    "a chromosome with a path": GOOD | {"vcf": [FILE | {"chromosome": "../x"}]},
    "a checksum of text": GOOD | {"vcf": [FILE | {"checksum": "1"}]},
    "a checksum below 0": GOOD | {"vcf": [FILE | {"checksum": -1}]},
    "a checksum of 17 bits": GOOD | {"vcf": [FILE | {"checksum": 65536}]},
    "a size of 0": GOOD | {"vcf": [FILE | {"blocks": 0}]},
    "a sequence of impossible size": GOOD | {"fasta": [FILE | {"blocks": 10**12}]},
    "a field too many": GOOD | {"vcf": [FILE | {"x": 1}]},
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_manifest(name: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(BAD[name]))
    with pytest.raises(SourceError, match="not a manifest") as caught:
        load_manifest(path)
    assert str(path) in str(caught.value)


def test_what_is_wrong_with_a_manifest_is_named(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    files = [FILE, FILE | {"name": "other.vcf.gz", "chromosome": "../x"}]
    path.write_text(json.dumps(GOOD | {"vcf": files}))
    with pytest.raises(SourceError, match=r"\(vcf\.1\.chromosome: '\.\./x' holds a path\)"):
        load_manifest(path)
    path.write_text(json.dumps(GOOD | {"vcf": [FILE, FILE]}))
    with pytest.raises(SourceError, match=r"\(vcf: a file or a chromosome is listed twice\)"):
        load_manifest(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000], ids=range(4))
def test_a_file_that_is_no_json(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not a manifest"):
        load_manifest(path)


def test_a_manifest_that_is_there_is_kept_and_no_mirror_asked(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    save_manifest(Manifest("homo_sapiens", "GRCh38", 116, published("1"), ()), path)
    before = path.read_bytes()
    assert ensure_manifest(["/no/such/mirror"], HUMAN, path).vcf == published("1")
    assert path.read_bytes() == before
    with pytest.raises(SourceError, match=r"is of homo_sapiens .* 116, expected .* 115"):
        ensure_manifest(["/no/such/mirror"], Layout("homo_sapiens", "GRCh38", 115), path)


def test_a_manifest_of_before_genes_says_so_where_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({key: GOOD[key] for key in GOOD if key not in ("gff3", "peptides")}))
    manifest = load_manifest(path)
    assert manifest.files_of("vcf", ["1"]) == list(published("1"))
    with pytest.raises(SourceError, match=r"made before gene models were used.*--update"):
        manifest.files_of("gff3", ["1"])


def test_what_mirrors_say_is_the_clearest_of_their_errors() -> None:
    fault = SourceError("a fault", code="tls")
    absent, other = NotPublishedError("absent"), WrongAssemblyError("other")
    for errors, expected in (
        ([fault, absent], NotPublishedError),
        ([fault, absent, other], WrongAssemblyError),
        ([fault, SourceError("b")], SourceError),
    ):
        told = no_answer([(f"/{number}", error) for number, error in enumerate(errors)])
        assert type(told) is expected
    assert (told.code, told.message.count("\n")) == ("tls", 2)
