"""What changed between two reference stores, against a slow comparison and case by case."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembl_annotations import annotate_vcf, compare_stores, fetch_ensembl
from ensembl_annotations.common.errors import InputError, ReferenceStoreError, UsageError
from ensembl_annotations.compare.compare import CHANGES_SCHEMA, LISTED, describe_comparison
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.variants.alleles import allele_code
from tests.integration.helpers import STORE, Done, Project
from tests.support.allele_keys import allele_key
from tests.support.mirror import Row, write_mirror
from tests.support.published import published
from tests.support.vcf import header, invoke

D = "dbSNP_156;TSA=SNV"
Records = dict[str, list[Row]]


def build(folder: Path, records: Records, *, in_pieces: bool = False, **options: Any) -> Path:
    """Make a store; in pieces it has a row group per row."""
    shutil.rmtree(folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(folder / "cache"))
        if in_pieces:
            patch.setattr(pieces, "PIECE_BYTES", 1)
        write_mirror(folder / "mirror", records, **options)
        fetch_ensembl(folder / "store", mirrors=[str(folder / "mirror")], release=116, **options)
    return folder / "store"


Compare = Callable[..., dict[str, Any]]


@pytest.fixture(params=[False, True], ids=["whole", "in-pieces"])
def compare(request: pytest.FixtureRequest, tmp_path: Path) -> Compare:
    """Compare records of chromosome 21, or of those named; a row group per row in the second store."""

    def run(a: list[Row] | Records, b: list[Row] | Records, **options: Any) -> dict[str, Any]:
        stores = [
            build(tmp_path / name, rows if isinstance(rows, dict) else {"21": rows}, in_pieces=cut)
            for name, rows, cut in (("a", a, False), ("b", b, request.param))
        ]
        return compare_stores(*map(str, stores), limit=None, **options)

    return run


def counts(result: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in result["counts"].items() if count}


def changes(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    names = ("pos", "id", "what", "field", "from", "to")
    return [tuple(change[name] for name in names) for change in result["changes"]]


# Categories


def test_same_store_is_unchanged(compare: Compare) -> None:
    rows: list[Row] = [(10, "rs1", "A", "G,T", D), (20, "rs2", "AA", "A", D), (30, "x", "A", "", D)]
    result = compare(rows, rows)
    assert counts(result) == {"unchanged": 4}
    assert result["changes"] == []
    assert result["a"]["num_rows"] == result["a"]["num_entries"] == 4


def test_new_and_retired(compare: Compare) -> None:
    result = compare([(10, "rs1", "A", "G", D)], [(12, "rs2", "C", "T", D)])
    assert counts(result) == {"retired": 1, "new": 1}
    assert changes(result) == [
        (10, "rs1", "retired", "id", "rs1", None),
        (12, "rs2", "new", "id", None, "rs2"),
    ]
    assert [(item["ref"], item["alt"]) for item in result["changes"]] == [("A", "G"), ("C", "T")]


def test_new_id_beside_one_that_stays_is_new(compare: Compare) -> None:
    one: Row = (10, "rs1", "A", "G", D)
    result = compare([one], [one, (10, "rs2", "A", "G", D)])
    assert counts(result) == {"unchanged": 1, "new": 1}


@pytest.mark.parametrize("known", [True, False])
def test_merged(compare: Compare, known: bool) -> None:
    both: list[Row] = [(50, "rs7", "A", "G", D)] if known else []
    result = compare([(10, "rs1", "A", "G", D), *both], [(10, "rs7", "A", "G", D), *both])
    assert changes(result) == [(10, "rs1", "merged", "id", "rs1", "rs7")]
    assert result["counts"]["successor"] == 1


def test_merged_into_one_that_was_there(compare: Compare) -> None:
    stays: Row = (10, "rs7", "A", "G", D)
    result = compare([(10, "rs1", "A", "G", D), stays], [stays])
    assert counts(result) == {"unchanged": 1, "merged": 1}
    assert changes(result) == [(10, "rs1", "merged", "id", "rs1", "rs7")]


def test_merged_with_all_alleles_into_one(compare: Compare) -> None:
    result = compare(
        [(10, "rs1", "A", "G,T", D)], [(10, "rs20", "A", "G,T", D), (10, "rs3", "A", "T", D)]
    )
    assert changes(result) == [
        (10, "rs1", "merged", "id", "rs1", "rs20"),
        (10, "rs1", "merged", "id", "rs1", "rs3&rs20"),
    ]
    assert counts(result) == {"merged": 2, "successor": 3}


def test_split_that_keeps_the_id(compare: Compare) -> None:
    result = compare(
        [(10, "rs1", "A", "G,T", D)], [(10, "rs1", "A", "G", D), (10, "rs2", "A", "T", D)]
    )
    assert changes(result) == [(10, "rs1", "split", "id", "rs1", "rs2")]
    assert counts(result) == {"split": 1, "successor": 1, "other": 1}


def test_split_into_several_however_far_apart(compare: Compare) -> None:
    far = 5000
    result = compare(
        [(10, "rs1", "A", "G", D), (far, "rs1", "A", "G", D)],
        [(10, "rs2", "A", "G", D), (far, "rs3", "A", "G", D)],
    )
    assert changes(result) == [
        (10, "rs1", "split", "id", "rs1", "rs2"),
        (far, "rs1", "split", "id", "rs1", "rs3"),
    ]


def test_id_that_gains_and_loses_alleles(compare: Compare) -> None:
    result = compare([(10, "rs1", "A", "G,T", D)], [(10, "rs1", "A", "G,C", D)])
    assert changes(result) == [
        (10, "rs1", "allele_gained", "id", None, "rs1"),
        (10, "rs1", "allele_lost", "id", "rs1", None),
    ]
    assert counts(result) == {"unchanged": 1, "allele_lost": 1, "allele_gained": 1}


def test_id_of_another_chromosome_is_somewhere(compare: Compare) -> None:
    result = compare(
        {"21": [(10, "rs1", "A", "G", D)], "22": [(10, "rs2", "A", "G", D)]},
        {"21": [(10, "rs2", "A", "G", D)], "X": [(10, "rs1", "A", "G", D)]},
    )
    assert (result["chromosomes"], result["only_in_a"], result["only_in_b"]) == (
        ["21"],
        ["22"],
        ["X"],
    )
    assert changes(result) == [
        (10, "rs1", "allele_lost", "id", "rs1", "rs2"),
        (10, "rs2", "allele_gained", "id", None, "rs2"),
    ]
    text = "\n".join(describe_comparison(result))
    assert "chromosomes 22." in text
    assert "chromosomes X." in text


def test_reclassified_whatever_the_order_of_terms(compare: Compare) -> None:
    result = compare(
        [
            (10, "rs1", "A", "G", f"{D};CLIN_benign;CLIN_pathogenic"),
            (20, "rs2", "A", "G", f"{D};CLIN_benign"),
            (30, "rs3", "A", "G", D),
        ],
        [
            (10, "rs1", "A", "G", f"{D};CLIN_pathogenic;CLIN_benign"),
            (20, "rs2", "A", "G", f"{D};CLIN_pathogenic;CLIN_benign"),
            (30, "rs3", "A", "G", f"{D};CLIN_drug_response"),
        ],
    )
    assert changes(result) == [
        (20, "rs2", "reclassified", "clin", "benign", "benign|pathogenic"),
        (30, "rs3", "reclassified", "clin", None, "drug_response"),
    ]
    assert counts(result) == {"unchanged": 1, "reclassified": 2}


def test_frequency_moves_as_a_number(compare: Compare) -> None:
    def rows(*maf: str) -> list[Row]:
        return [(10 * n, f"rs{n}", "A", "G", f"{D};{text}") for n, text in enumerate(maf, 1)]

    result = compare(
        rows("MA=G;MAF=0.10", "MA=G;MAF=0.1", "MA=A;MAF=0.1", "MA=G;MAF=0.1;MAC=3", "MA=T;MAF=0.1"),
        rows("MA=G;MAF=0.1", "MA=G;MAF=0.25", "MA=G;MAF=0.1", "MA=G;MAF=0.1;MAC=4", "MA=T;MAF=0.2"),
    )
    assert changes(result) == [
        (20, "rs2", "frequency", "af", "0.1", "0.25"),
        (30, "rs3", "frequency", "af", "0.9", "0.1"),
        (50, "rs5", "frequency", "maf", "0.1", "0.2"),
    ]
    assert [round(item["difference"], 9) for item in result["changes"]] == [0.15, 0.8, 0.1]
    assert counts(result) == {"unchanged": 1, "frequency": 3, "other": 1}


def test_entry_may_be_reclassified_and_move(compare: Compare) -> None:
    result = compare(
        [(10, "rs1", "A", "G", f"{D};CLIN_benign;MA=G;MAF=0.1")],
        [(10, "rs1", "A", "G", f"{D};CLIN_pathogenic;E_Freq")],
    )
    assert counts(result) == {"reclassified": 1, "frequency": 1, "reclassified_and_frequency": 1}
    assert changes(result)[0] == (10, "rs1", "frequency", "af", "0.1", None)
    assert result["changes"][0]["difference"] is None


def test_spelling_is_other(compare: Compare) -> None:
    result = compare([(10, "rs1", "A", "G", D)], [(9, "rs1", "CA", "CG", D)])
    assert counts(result) == {"other": 1}


# Keys


def colliding() -> tuple[str, str]:
    """Return two inserted sequences whose codes are the same."""
    drawn, seen = random.Random(1), dict[int, str]()
    for _ in itertools.count():
        text = "".join(drawn.choices("ACGT", k=20))
        other = seen.setdefault(zlib.crc32(f">{text}".encode()), text)
        if other != text:
            assert allele_code("", text) == allele_code("", other)
            return text, other
    raise AssertionError


def test_alleles_of_equal_code_are_told_apart(compare: Compare) -> None:
    one, other = colliding()
    rows: list[Row] = [(10, "rs1", "A", f"A{one}", D), (10, "rs2", "A", f"A{other}", D)]
    swapped: list[Row] = [(10, "rs2", "A", f"A{one}", D), (10, "rs1", "A", f"A{other}", D)]
    assert counts(compare(rows, rows)) == {"unchanged": 2}
    assert counts(compare(rows, rows[:1])) == {"unchanged": 1, "retired": 1}
    assert counts(compare(rows[:1], [(10, "rs1", "A", f"A{other}", D)])) == {
        "allele_lost": 1,
        "allele_gained": 1,
    }
    assert counts(compare(rows, swapped)) == {"allele_lost": 2, "allele_gained": 2}


def test_several_ids_per_allele_and_other_names(compare: Compare) -> None:
    rows: list[Row] = [(10, name, "A", "G", D) for name in ("rs1", "COSV5", "rs2", "CM1")]
    result = compare(rows, [*rows[:2], (10, "CM9", "A", "G", D), (90, "CM1", "A", "G", D)])
    assert changes(result) == [
        (10, "CM1", "split", "id", "CM1", "rs1&CM9&COSV5"),
        (10, "rs2", "merged", "id", "rs2", "rs1&CM9&COSV5"),
        (90, "CM1", "allele_gained", "id", None, "CM1"),
    ]


def test_alleles_that_are_not_given_are_never_merged(compare: Compare) -> None:
    result = compare([(10, "CM1", "A", "HGMD_MUTATION", D)], [(10, "CM2", "A", "HGMD_MUTATION", D)])
    assert counts(result) == {"retired": 1, "new": 1}


def test_rows_of_the_same_entry_are_one(compare: Compare) -> None:
    first: Row = (10, "rs1", "A", "G", f"{D};CLIN_benign;MA=G;MAF=0.2")
    second: Row = (10, "rs1", "A", "G", f"{D};CLIN_pathogenic;MA=G;MAF=0.1")
    plain: Row = (10, "rs1", "A", "G", D)
    result = compare([first, second, first], [second, first])
    assert counts(result) == {"unchanged": 1}
    assert (result["a"]["num_rows"], result["a"]["num_entries"]) == (3, 1)
    result = compare([first, second], [first, plain])
    assert changes(result) == [
        (10, "rs1", "frequency", "af", "0.1,0.2", "0.2"),
        (10, "rs1", "reclassified", "clin", "benign|pathogenic", "benign"),
    ]


# Stores that can't be compared


def test_another_assembly_is_refused(tmp_path: Path) -> None:
    rows: Records = {"21": [(10, "rs1", "A", "G", D)]}
    a, b = build(tmp_path / "a", rows), build(tmp_path / "b", rows, assembly="GRCh37")
    with pytest.raises(UsageError, match="differ in assembly: GRCh38 and GRCh37"):
        compare_stores(str(a), str(b))


def test_incomplete_store_is_refused(tmp_path: Path) -> None:
    store = build(tmp_path / "a", {"21": [(10, "rs1", "A", "G", D)]})
    (store / "homo_sapiens-chr21.parquet").unlink()
    with pytest.raises(ReferenceStoreError, match=r"chr21\.parquet is missing"):
        compare_stores(str(store), str(store))


# Against a slow comparison


def slow(a: Path, b: Path) -> tuple[Counter[str], set[tuple[Any, ...]]]:
    """Compare as the definitions say it, entry by entry in dictionaries."""
    sides = [slow_entries(store) for store in (a, b)]
    ids = [{entry[-1] for entry in side} for side in sides]
    carriers: list[dict[Any, set[str]]] = [defaultdict(set), defaultdict(set)]
    for side, carried in zip(sides, carriers, strict=True):
        for *allele, name in side:
            if allele[-1] != "not given":
                carried[tuple(allele)].add(name)
    one, other = sides
    found, rows = Counter[str](), set[tuple[Any, ...]]()
    lost: dict[str, list[set[str]]] = defaultdict(list)
    for *allele, name in one.keys() - other.keys():
        if carriers[1].get(tuple(allele)):
            lost[name].append(carriers[1][tuple(allele)])
    heirs = set()
    for *allele, name in one.keys() - other.keys():
        to = carriers[1].get(tuple(allele), set())
        if not to:
            what = "allele_lost" if name in ids[1] else "retired"
        elif name in ids[1]:
            what = "split" if to - ids[0] else "allele_lost"
        else:
            what = "merged" if set.intersection(*lost[name]) else "split"
        if what in ("merged", "split"):
            heirs.add(tuple(allele))
        found[what] += 1
        rows.add((*allele, what, name, frozenset(to)))
    for *allele, name in other.keys() - one.keys():
        what = "allele_gained" if name in ids[0] else "new"
        if tuple(allele) in heirs:
            found["successor"] += 1
            continue
        found[what] += 1
        rows.add((*allele, what, None, frozenset([name])))
    for entry in one.keys() & other.keys():
        (clin, af, maf, rest), (clin_b, af_b, maf_b, rest_b) = one[entry], other[entry]
        is_clin, is_moved = clin != clin_b, (af, maf) != (af_b, maf_b)
        found["reclassified"] += is_clin
        found["frequency"] += is_moved
        found["reclassified_and_frequency"] += is_clin and is_moved
        found["other"] += not is_clin and not is_moved and rest != rest_b
        found["unchanged"] += not is_clin and not is_moved and rest == rest_b
        if is_clin:
            rows.add((*entry[:-1], "reclassified", entry[-1], clin, clin_b))
        if is_moved:
            rows.add(
                (*entry[:-1], "frequency", entry[-1], *((af, af_b) if af != af_b else (maf, maf_b)))
            )
    return found, rows


def slow_entries(store: Path) -> dict[tuple[Any, ...], tuple[frozenset[Any], ...]]:
    entries: dict[tuple[Any, ...], tuple[set[Any], ...]] = {}
    for row in published(store).iter_rows(named=True):
        allele = slow_allele(row)
        name = f"rs{row['rs']}" if row["rs"] else row["name"]
        if row["code"] == 0:
            allele = (*allele, "not given")
        values = entries.setdefault((row["chrom"], *allele, name), (set(), set(), set(), set()))
        values[0].update((row["clin"] or "").split("|") if row["clin"] else ())
        for place, text in ((1, row["af"]), (2, row["maf"])):
            values[place].update([float(text)] if text else ())
        terms = [tuple(sorted((row[key] or "").split("|"))) for key in ("evidence", "source")]
        left = (
            "pos",
            "ref",
            "alt",
            "alt_index",
            "num_alts",
            "tsa",
            "clin_certain",
            "ma",
            "mac",
            "aa",
        )
        values[3].add((*terms, *(row[key] for key in (*left, "other"))))
    return {entry: tuple(map(frozenset, values)) for entry, values in entries.items()}


def slow_allele(row: dict[str, Any]) -> tuple[Any, ...]:
    if row["code"] == 0:
        return row["pos"] - 1, row["ref"].upper(), row["alt"].upper()
    return allele_key(row["pos"], row["ref"], row["alt"])


def listed(result: dict[str, Any], stores: Sequence[Path]) -> set[tuple[Any, ...]]:
    """Return the listed changes in the form of `slow`."""
    rows = set[tuple[Any, ...]]()
    given = published(stores[0]), published(stores[1])
    not_given = {
        (row["chrom"], row["pos"], row["ref"], row["alt"])
        for frame in given
        for row in frame.filter(code=0).iter_rows(named=True)
    }
    for item in result["changes"]:
        spelled = (item["chrom"], item["pos"], item["ref"], item["alt"])
        if spelled in not_given:
            key = (item["pos"] - 1, item["ref"].upper(), item["alt"].upper(), "not given")
        else:
            key = allele_key(item["pos"], item["ref"], item["alt"])
        ends: list[Any] = [item["from"], item["to"]]
        if item["field"] == "id":
            ends = [item["from"], frozenset(item["to"].split("&") if item["to"] else ())]
            assert item["id"] in (item["from"], item["to"])
        else:
            split, number = ("|", str) if item["field"] == "clin" else (",", float)
            ends = [
                frozenset(map(number, end.split(split))) if end else frozenset() for end in ends
            ]
            ends = [item["id"], *ends]
        rows.add((item["chrom"], *key, item["what"], *ends))
    return rows


names = st.sampled_from(["rs1", "rs2", "rs3", "rs4", "COSV1", "CM2"])
spellings = st.sampled_from(
    [
        "A G",
        "A G,T",
        "A C,G,T",
        "A AT",
        "AT A",
        "AA A",
        "CA CG",
        "A AT,G",
        "A HGMD_MUTATION",
        "A N",
        "a g",
    ]
)
infos = st.lists(
    st.sampled_from(
        [
            "CLIN_benign",
            "CLIN_pathogenic",
            "E_Freq",
            "E_TOPMed",
            "MA=G;MAF=0.1",
            "MA=A;MAF=0.25",
            "MA=G;MAF=0.10;MAC=2",
            "AA=A",
        ]
    ),
    max_size=2,
    unique_by=lambda text: text.split("=")[0],
)
row = st.tuples(st.integers(10, 13), names, spellings, infos).map(
    lambda item: (item[0], item[1], *item[2].split(" "), ";".join(["dbSNP_156;TSA=SNV", *item[3]]))
)
tables = st.fixed_dictionaries(
    {"21": st.lists(row, min_size=1, max_size=8), "22": st.lists(row, min_size=1, max_size=4)}
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(a=tables, b=tables, cut=st.booleans(), kept=st.integers(0, 8))
def test_agrees_with_a_slow_comparison(
    tmp_path: Path, a: Records, b: Records, cut: bool, kept: int
) -> None:
    b = {name: rows + a[name][:kept] for name, rows in b.items()}
    stores = build(tmp_path / "a", a, in_pieces=cut), build(tmp_path / "b", b, in_pieces=not cut)
    result = compare_stores(*map(str, stores), limit=None)
    found, rows = slow(*stores)
    assert counts(result) == {name: count for name, count in found.items() if count}
    assert listed(result, stores) == rows
    assert len(result["changes"]) == result["num_changes"] == len(rows)
    turned = compare_stores(*map(str, reversed(stores)))["counts"]
    for name in ("unchanged", "reclassified", "frequency", "other", "reclassified_and_frequency"):
        assert turned[name] == result["counts"][name]


# Samples

SITES: list[Row] = [
    (100, "rs1", "A", "G", D),
    (110, "rs2", "A", "G,T", D),
    (120, "rs3", "CAA", "CA", D),
    (130, "rs4", "A", "G", D),
    (140, "rs5", "A", "G", D),
]
SAMPLE_ROWS = [
    ("chr21", 100, "A", "G", "0/1"),
    ("chr21", 110, "A", "C,T", "0|2"),
    ("chr21", 120, "CA", "C", "1/1"),
    ("chr21", 130, "A", "G", "0/0"),
    ("chr21", 140, "A", "G", "./."),
    ("chrM", 150, "A", "G", "1"),
    ("chrY", 10001, "C", "T", "1"),
]


@pytest.fixture
def pair_of_stores(tmp_path: Path) -> tuple[Path, Path]:
    """Two stores, in the second of which each variant has a clinical term."""
    rows: Records = {
        "21": SITES,
        "MT": [(150, "rs8", "A", "G", D)],
        "X": [(10001, "rs9", "C", "T", D)],
    }
    later: Records = {
        name: [(*site[:4], f"{site[4]};CLIN_benign") for site in sites]
        for name, sites in rows.items()
    }
    return build(tmp_path / "a", rows), build(tmp_path / "b", later)


def write_sample(path: Path, rows: Sequence[tuple[str, int, str, str, str]], samples: int) -> Path:
    text = header(samples=[f"S{number}" for number in range(samples)])
    for chrom, pos, ref, alt, gt in rows:
        calls = ["GT", *["0/0"] * (samples - 1), gt] if samples else []
        text += "\t".join([chrom, str(pos), ".", ref, alt, ".", ".", ".", *calls]) + "\n"
    path.write_text(text, "utf-8")
    return path


CARRIED = [(100, "rs1"), (110, "rs2"), (120, "rs3"), (150, "rs8"), (10001, "rs9")]


def places(result: dict[str, Any]) -> list[tuple[int, str]]:
    return sorted((item["pos"], item["id"]) for item in result["changes"])


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("form", ["vcf", "table"])
def test_only_what_a_sample_carries(
    pair_of_stores: tuple[Path, Path], tmp_path: Path, samples: int, form: str
) -> None:
    vcf = write_sample(tmp_path / "me.vcf", SAMPLE_ROWS, samples)
    path = vcf
    if form == "table":
        path = tmp_path / "me.parquet"
        annotate_vcf(vcf, pair_of_stores[0], out_parquet=path, genotypes=samples > 1)
    result = compare_stores(*map(str, pair_of_stores), sample=str(path), limit=None)
    assert places(result) == CARRIED
    assert counts(result) == {"reclassified": 5}
    assert result["num_alleles_of_sample"] == 5
    assert result["a"]["num_entries"] == 5


def test_without_genotypes_all_count(pair_of_stores: tuple[Path, Path], tmp_path: Path) -> None:
    path = write_sample(tmp_path / "me.vcf", SAMPLE_ROWS, 0)
    result = compare_stores(*map(str, pair_of_stores), sample=str(path), limit=None)
    assert places(result) == sorted([*CARRIED, (130, "rs4"), (140, "rs5")])


def test_category_does_not_depend_on_the_sample(compare: Compare, tmp_path: Path) -> None:
    path = write_sample(tmp_path / "me.vcf", SAMPLE_ROWS[:1], 1)
    result = compare(
        [(100, "rs1", "A", "G", D), (900, "rs1", "A", "G", D)],
        [(100, "rs2", "A", "G", D), (900, "rs3", "A", "G", D)],
        sample=str(path),
    )
    assert changes(result) == [(100, "rs1", "split", "id", "rs1", "rs2")]
    assert counts(result) == {"split": 1, "successor": 1}


def test_sample_that_can_not_be_used(pair_of_stores: tuple[Path, Path], tmp_path: Path) -> None:
    stores = [str(store) for store in pair_of_stores]
    with pytest.raises(UsageError, match="neither a sample"):
        compare_stores(*stores, sample="nobody")
    table = next(pair_of_stores[0].glob("*chr21.parquet"))
    with pytest.raises(InputError, match="not an annotated table"):
        compare_stores(*stores, sample=str(table))
    other = tmp_path / "other.vcf"
    text = header(length=51304566)
    other.write_text(text, "utf-8")
    with pytest.raises(InputError, match="GRCh37"):
        compare_stores(*stores, sample=str(other))


# Output


def test_parquet_has_a_row_per_change(pair_of_stores: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "changes.parquet"
    result = compare_stores(*map(str, pair_of_stores), out_parquet=path, limit=2)
    assert pq.read_schema(path).equals(CHANGES_SCHEMA)
    rows = pl.read_parquet(path).to_dicts()
    assert len(rows) == result["num_changes"] == 8
    assert rows[:2] == result["changes"]
    assert {row["what"] for row in rows} <= set(LISTED)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["changes.parquet"]


def test_command_prints_each_form(pair_of_stores: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = pair_of_stores
    vcf = write_sample(tmp_path / "me.vcf", SAMPLE_ROWS, 1)
    table = invoke("compare", one, other, "--limit", 3)
    assert table.code == 0
    assert "3 of 8 changes, clinical terms first" in table.stdout
    assert "21:100" in table.stdout
    markdown = invoke("compare", one, other, "--markdown")
    assert "| 21:100 | A | G | rs1 | reclassified | - | benign |" in markdown.stdout
    assert markdown.stdout == invoke("compare", one, other, "--markdown").stdout
    found = json.loads(invoke("compare", one, other, "--json", "--sample", vcf).stdout)
    assert places(found) == CARRIED
    assert invoke("compare", one, tmp_path / "nowhere").code == 2


def test_what_matters_most_is_listed_first(tmp_path: Path) -> None:
    def rows(first: str, second: str, third: str, fourth: str) -> Records:
        infos = enumerate([first, second, third, fourth], 1)
        return {"21": [(100 + at, f"rs{at}", "A", "G", D + info) for at, info in infos]}

    before = rows("", "", ";MAF=0.1;MA=G;MAC=1", ";MAF=0.1;MA=G;MAC=1")
    after = rows(";CLIN_benign", ";CLIN_pathogenic", ";MAF=0.2;MA=G;MAC=1", ";MAF=0.4;MA=G;MAC=1")
    after["21"].insert(0, (90, "rs90", "C", "T", D))
    stores = [str(build(tmp_path / name, part)) for name, part in (("a", before), ("b", after))]
    result = compare_stores(*stores, limit=4)
    assert [change["id"] for change in result["changes"]] == ["rs2", "rs1", "rs4", "rs3"]
    assert result["num_changes"] == 5
    every = compare_stores(*stores, limit=None)["changes"]
    assert [change["pos"] for change in every] == [90, 101, 102, 103, 104]


# Revisions


@pytest.fixture
def earlier(earlier_pair: tuple[Project, Done], tmp_path: Path) -> Project:
    """A clone whose last commit has release 115, and the one before it 116."""
    return earlier_pair[0].copy(tmp_path / "earlier")


def run_compare(project: Project, *arguments: str, code: int = 0) -> Done:
    variables = {"PYTHONPATH": str(project.root / "src")}
    return project.run("ensembl-annotations", "compare", *arguments, code=code, **variables)


def test_revisions_are_compared_without_a_checkout(earlier: Project, tmp_path: Path) -> None:
    before, lock = earlier.digests("data"), earlier.path("dvc.lock").read_bytes()
    out = tmp_path / "changes.parquet"
    done = run_compare(earlier, "HEAD~1", "HEAD", "--out-parquet", str(out))
    assert "release 116" in done.output
    assert "release 115" in done.output
    assert earlier.changed() == []
    assert (earlier.digests("data"), earlier.path("dvc.lock").read_bytes()) == (before, lock)
    folder = run_compare(earlier, "HEAD~1", STORE, "--out-parquet", str(tmp_path / "other.parquet"))
    assert folder.output.splitlines()[-1] == done.output.splitlines()[-1]
    assert pl.read_parquet(out).equals(pl.read_parquet(tmp_path / "other.parquet"))
    mine = run_compare(earlier, "HEAD~1", "HEAD", "--sample", "other", "--markdown")
    assert "of the sample's" in mine.output
    assert earlier.changed() == []


def push_the_first(earlier: Project) -> None:
    """Have the reference of the commit before in the remote."""
    earlier.git("checkout", "--quiet", "HEAD~1")
    earlier.dvc("checkout", "fetch_ensembl")
    earlier.dvc("push", "fetch_ensembl")
    earlier.git("checkout", "--quiet", "-")
    earlier.dvc("checkout", "fetch_ensembl")


def test_what_the_cache_lacks_comes_from_the_remote(earlier: Project) -> None:
    expected = run_compare(earlier, "HEAD~1", "HEAD").output
    push_the_first(earlier)
    earlier.dvc("push", "fetch_ensembl")
    shutil.rmtree(earlier.path(".dvc/cache"))
    before = earlier.digests("data")
    assert run_compare(earlier, "HEAD~1", "HEAD").output == expected
    assert (earlier.changed(), earlier.digests("data")) == ([], before)


def test_altered_descriptions_in_the_cache_are_not_believed(earlier: Project) -> None:
    expected = run_compare(earlier, "HEAD~1", "HEAD").output
    push_the_first(earlier)
    lock = earlier.git("show", "HEAD~1:dvc.lock")
    listed = re.search(rf"{STORE}\n\s+hash: md5\n\s+md5: (\w\w)(\w+\.dir)", lock)
    assert listed
    path = earlier.path(f".dvc/cache/files/md5/{listed[1]}/{listed[2]}")
    entries = json.loads(path.read_bytes())
    package = next(entry["md5"] for entry in entries if entry["relpath"] == "datapackage.json")
    cached = earlier.path(f".dvc/cache/files/md5/{package[:2]}/{package[2:]}")
    content = cached.read_bytes()
    cached.unlink()
    cached.write_bytes(content.replace(b'"release": 116', b'"release": 114'))
    done = run_compare(earlier, "HEAD~1", "HEAD", code=1)
    assert "datapackage.json of this revision is altered in DVC's cache" in done.output
    cached.unlink()
    assert run_compare(earlier, "HEAD~1", "HEAD").output == expected
    # The list of files that leaves some out.
    path.unlink()
    path.write_text(json.dumps(entries[5:]))
    assert run_compare(earlier, "HEAD~1", "HEAD").output == expected


def test_data_that_are_nowhere_are_one_error(earlier: Project) -> None:
    shutil.rmtree(earlier.path(".dvc/cache"))
    done = run_compare(earlier, "HEAD", "HEAD~1", code=1)
    assert "neither in DVC's cache nor in the remote" in done.output
    assert "ensembl-annotations publish" in done.output
    assert "Traceback" not in done.output
    assert len(done.output.splitlines()) == 2
    assert earlier.changed() == []


def test_a_remote_without_credentials_is_one_error(earlier: Project) -> None:
    earlier.dvc("remote", "modify", "--local", "refcache", "url", "s3://bucket/reference")
    shutil.rmtree(earlier.path(".dvc/cache"))
    done = earlier.run(
        "ensembl-annotations", "compare", "HEAD", "HEAD~1", code=1,
        PYTHONPATH=str(earlier.root / "src"), AWS_EC2_METADATA_DISABLED="true",
    )  # fmt: skip
    assert "could not be had from the remote: Unable to locate credentials" in done.output
    assert "docs/sharing.md" in done.output
    assert "Traceback" not in done.output


def test_commands_from_a_folder_inside(earlier: Project) -> None:
    expected = [
        earlier.run("ensembl-annotations", *command, PYTHONPATH=str(earlier.root / "src")).output
        for command in (
            ["compare", "HEAD~1", "HEAD", "--sample", "other"],
            ["history"],
            ["provenance", str(earlier.path(STORE)), "--verify"],
        )
    ]
    for line, said in zip(
        (
            "compare HEAD~1 HEAD --sample other",
            "history",
            f"provenance ../{STORE} --verify",
        ),
        expected,
        strict=True,
    ):
        done = earlier.run(
            "sh", "-c", f"cd docs && exec ensembl-annotations {line}",
            PYTHONPATH=str(earlier.root / "src"),
        )  # fmt: skip
        told = done.output.replace(f"{earlier.root}/", "").replace("../", "")
        assert told == said.replace(f"{earlier.root}/", "")


def test_wrong_use_is_a_usage_error(earlier: Project) -> None:
    assert "An empty name" in run_compare(earlier, "", "HEAD", code=2).output
    both = run_compare(earlier, "HEAD~1", "HEAD", "--json", "--markdown", code=2)
    assert "--json and --markdown" in both.output


def test_name_that_is_nothing_is_a_usage_error(earlier: Project) -> None:
    done = run_compare(earlier, "HEAD", "no-such-branch", code=2)
    assert "no-such-branch: neither a folder" in done.output
    assert "--version" in run_compare(earlier, "--", "HEAD", "--version", code=2).output


def test_revision_without_the_pipeline_is_an_error(earlier: Project) -> None:
    earlier.git("rm", "--quiet", "--cached", "dvc.lock")
    earlier.git("commit", "--quiet", "--message", "Without")
    earlier.git("reset", "--quiet", "--mixed")
    done = run_compare(earlier, "HEAD~1", "HEAD", code=1)
    assert "HEAD: dvc.lock of this revision has no data/ensembl_annotations." in done.output
