"""The summary of a run: true to the table, legible, and standing alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Locator

from ensembl_annotations import fetch_ensembl
from ensembl_annotations.annotate import annotate
from ensembl_annotations.report.report import write_report
from ensembl_annotations.store.describe import DEMONSTRATION
from ensembl_annotations.variants.outcomes import IMPACTS
from ensembl_annotations.variants.outcomes import TERMS as TERMS_BY_SEVERITY
from ensembl_annotations.versions import ENGINE_VERSION, REPORT_VERSION
from tests.support.browser import PRINTED_WIDTH, Opened, browser, check_page, opened
from tests.support.mirror import Row, write_mirror
from tests.support.tallies import entry_of, sample_row
from tests.support.vcf import (
    CALL,
    CHROMOSOMES,
    KNOWN,
    SAMPLE,
    SECOND,
    UNKNOWN,
    build_store,
    invoke,
    plain_vcf,
    record,
    snapshot,
    written,
)

REPO = Path(__file__).resolve().parents[2]
CERTAIN, UNCERTAIN = "Pathogenic and likely pathogenic", "Allele uncertain"
TERMS = ("pathogenic", "likely_pathogenic")
REPORT = ("summary.html", "one_mqc.json", "contigs.svg", "frequencies.svg")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("store"), ("7", "12", *CHROMOSOMES))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """Return a folder with everything that a run on the demonstration sample writes."""
    return run(tmp_path_factory.mktemp("sample"), SAMPLE, store)


def run(folder: Path, vcf: Path, store: Path, *options: object) -> Path:
    invoke(
        "annotate", "--vcf", vcf, "--reference", store,
        "--out-vcf", folder / "out.vcf.gz", "--out-parquet", folder / "out.parquet",
        "--tally", folder / "tally.json", "--metrics", folder / "metrics.json", *options,
    ).succeeded()  # fmt: skip
    report(folder)
    return folder


def report(folder: Path) -> None:
    """Write the report of what was annotated in a folder beside it."""
    tally = folder / "tally.json"
    invoke("report", tally, "--out", folder, "--name", "one").succeeded()


def variants(shown: Opened, label: str = CERTAIN) -> Locator:
    """Return the rows of a list of variants."""
    return shown.page.get_by_role("region", name=label, exact=True).locator("tbody tr")


def cells_of(rows: Locator) -> list[list[str]]:
    """Return the texts of the cells of rows, all at once."""
    found = rows.evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.innerText))")
    assert isinstance(found, list)
    return found


def in_order(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the rows with a pathogenic term in the order of the list, from genotypes and terms alone."""
    given = pl.col(column).list
    call = pl.col("gt").str.replace_all("|", "/", literal=True).str.split("/")
    is_carried = call.list.contains((pl.col("alt_index") + 1).cast(pl.String))
    is_one = is_carried & (call.list.n_unique() == 1)
    return table.filter(given.eval(pl.element().is_in(TERMS)).list.any()).sort(
        ~is_one, ~is_carried, ~given.contains("pathogenic"), maintain_order=True
    )


def table_of(shown: Path, chromium: Browser, figure: str) -> dict[str, list[int]]:
    """Return a figure's table: its first column, and the numbers of the others."""
    with opened(chromium, shown) as page:
        page.page.evaluate("document.querySelectorAll('details').forEach(x => x.open = true)")
        cells = cells_of(page.page.locator(f"#{figure} tbody tr"))
    return {row[0]: [int(cell.replace("\u202f", "")) for cell in row[1:]] for row in cells}


def test_the_page_stands_alone_and_is_accessible(made: Path, chromium: Browser) -> None:
    check_page(chromium, made / "summary.html")


def test_the_figures_are_those_of_the_table(made: Path, chromium: Browser) -> None:
    page = made / "summary.html"
    table = pl.read_parquet(made / "out.parquet")
    reasons = Counter(table["ens_reason"].drop_nulls().to_list())
    matches = table_of(page, chromium, "matches")
    assert matches.pop("exact")[0] + matches.pop("shifted")[0] == table["ens_id"].count()
    # A record without an ALT is none.
    without = reasons.pop("no_alt")
    assert {name.replace(" ", "_"): row[1] for name, row in matches.items()} == reasons
    reason = pl.col("ens_reason")
    absent = reason.is_in(["allele_differs", "site_unknown", "ref_mismatch"])
    contigs = (
        table.filter(reason.is_null() | (reason != "no_alt"))
        .group_by("chrom")
        .agg(reason.is_null().sum(), absent.sum().alias("absent"), pl.len())
    )
    expected = {name: [a, b, total - a - b] for name, a, b, total in contigs.iter_rows()}
    assert table_of(page, chromium, "contigs") == expected
    assert table_of(page, chromium, "genome") == {
        name: [a, b] for name, (a, b, _) in expected.items() if a or b
    }
    kinds = table_of(page, chromium, "kinds")
    assert sum(map(sum, kinds.values())) == len(table) - without == 199
    frequencies = table_of(page, chromium, "frequencies")
    undecided = frequencies.pop("published, ALT uncertain")
    unpublished = frequencies.pop("not published")
    shares = table["ens_af"].drop_nulls()
    for label, (count,) in frequencies.items():
        low, high = (float(part) / 100 for part in label.removeprefix("over ")[:-2].split(" to "))
        inside = (shares > low) & (shares <= high) | ((shares == 0) & (low == 0))
        assert count == inside.sum(), label
    assert sum(count for (count,) in frequencies.values()) == len(shares) >= 10
    published = table["ens_maf"].list.eval(pl.element().is_not_null()).list.any().sum()
    assert undecided == [published - len(shares)]
    assert unpublished == [table["ens_id"].count() - published]
    terms = table_of(page, chromium, "terms")
    certain = Counter(table["ens_clin"].explode(empty_as_null=False).drop_nulls().to_list())
    every = Counter(table["ens_rsclin"].explode(empty_as_null=False).drop_nulls().to_list())
    assert terms == {
        name.replace("_", " "): [certain[name], every[name] - certain[name]] for name in every
    }


def test_consequences_are_those_of_the_table(made: Path, chromium: Browser) -> None:
    table = pl.read_parquet(made / "out.parquet")
    worst = [text.split("&") for text in table["ens_worst"].drop_nulls()]
    with opened(chromium, made / "summary.html") as shown:
        rows = [text.split("\t") for text in shown.texts("#genes tbody tr")]
        text = shown.page.locator("#genes").inner_text()
    terms = {row[0].replace(" ", "_"): int(row[2]) for row in rows if row[1] in IMPACTS}
    assert terms == Counter(term for term, *_ in worst) and len(terms) > 5
    assert [*terms] == [term for term in TERMS_BY_SEVERITY if term in terms]
    grave = Counter(
        (gene, TERMS_BY_SEVERITY[term])
        for term, gene, _ in (item for item in worst if len(item) == 3)
        if TERMS_BY_SEVERITY[term] in ("HIGH", "MODERATE")
    )
    genes = {
        row[0].split()[-1]: (int(row[1]), int(row[2])) for row in rows if row[1] not in IMPACTS
    }
    assert genes == {gene: (grave[gene, "HIGH"], grave[gene, "MODERATE"]) for gene, _ in grave}
    assert len(genes) > 3 and all(
        row[0].startswith("DEMO") for row in rows if row[1] not in IMPACTS
    )
    assert "are not known: on 7, 12, " in text


def test_pathogenic_variants_are_listed_with_genotype_and_link(
    made: Path, chromium: Browser
) -> None:
    table = pl.read_parquet(made / "out.parquet")
    wanted = in_order(table, "ens_clin")
    with opened(chromium, made / "summary.html") as shown:
        listed, others = (cells_of(variants(shown, label)) for label in (CERTAIN, UNCERTAIN))
        links = shown.page.locator("#clinical a").evaluate_all("list => list.map(x => x.href)")
        text = shown.page.locator("#clinical").inner_text()
    assert len(listed) == len(wanted) >= 10
    columns = ["chrom", "pos", "ens_id", "filter", "gt"]
    for row, (chrom, pos, ids, filters, call) in zip(
        listed, wanted.select(columns).iter_rows(), strict=True
    ):
        assert row[0].split()[0] == f"{chrom}:{pos}"
        assert row[6].split() == ids
        assert row[5] == "not published"
        assert row[4] == filters
        assert row[3].split()[0] == call
    assert {row[4] for row in listed} > {"PASS"}
    # What speaks against a row stands in it.
    assert [row[0] for row in listed if "looked up on X and Y" in row[0]] == [
        "chrY:640851 (looked up on X and Y)"
    ]
    contested = {row[0] for row in listed if "opinions differ" in row[2]}
    assert contested == {"chr1:158618068", "chr22:10000481"}
    assert all("_" not in row[2] for row in listed)
    certain = pl.col("ens_clin").list.eval(pl.element().is_in(TERMS)).list.any()
    maybe = in_order(table.filter(~certain.fill_null(False)), "ens_rsclin")
    assert [row[0] for row in others] == [
        f"{chrom}:{pos}" for chrom, pos in maybe.select("chrom", "pos").iter_rows()
    ]
    assert len(others) >= 3
    assert "https://www.ensembl.org/Homo_sapiens/Variation/Explore?v=rs137852556" in links
    assert "not a diagnosis" in text
    assert "A variant without a frequency is not rare" in text


def test_the_page_says_whose_it_is_and_what_made_it(made: Path, chromium: Browser) -> None:
    with opened(chromium, made / "summary.html") as shown:
        assert shown.page.title() == "one: Ensembl 116 annotations"
        assert shown.page.locator("h1").inner_text() == "one"
        top = shown.page.locator("header p").first.inner_text()
        facts = shown.page.locator("#made-from").inner_text()
    # As the header of the mirror's files and pip have them.
    assert "release 116 (files of 2026-04-04), GRCh38" in top
    tool = f"ensembl-annotations {metadata.version('ensembl-annotations')}"
    assert f"by {tool}." in top
    assert f"{tool}, engine {ENGINE_VERSION}, report {REPORT_VERSION}" in facts
    assert "demo" in facts


def test_the_top_of_the_page_leaves_nothing_out(
    made: Path, tmp_path: Path, store: Path, chromium: Browser
) -> None:
    metrics = json.loads((made / "metrics.json").read_bytes())
    known = metrics["num_exact"] + metrics["num_shifted"]
    absent = ("num_allele_differs", "num_site_unknown", "num_ref_mismatch")
    all_of_them = known + sum(metrics[name] for name in absent)
    with opened(chromium, made / "summary.html") as shown:
        cards = " ".join(shown.page.locator(".cards").inner_text().split())
        notes = shown.page.locator("#notes").inner_text()
        assert (
            f"{known} in Ensembl ({100 * known / all_of_them:.1f} % of {all_of_them} that could be "
            "compared; 62 not compared: 57 contig absent, 5 symbolic)" in cards
        )
        assert "13 + 3 carried, with a pathogenic or likely pathogenic term" in cards
        assert "2 of them failed a FILTER" in cards
        shown.page.locator(".cards a[href='#uncertain']").click()
        assert shown.page.url.endswith("#uncertain")
    assert "2 records in the pseudo-autosomal regions of Y" in notes
    part = run(tmp_path, SAMPLE, store, "--chromosomes", "21,22") / "summary.html"
    with opened(chromium, part) as shown:
        banner = shown.page.locator(".banner").last.inner_text()
        assert "Not the whole genome: chromosomes 1, 2, 3" in banner
        assert "X, Y, MT were not looked up" in banner
        cards = " ".join(shown.page.locator(".cards").inner_text().split())
        assert "of 73 that could be compared" in cards


_OF_ONE_ID: list[Row] = [
    # MA is the ALT, and none of the ALTs; a frequency of neither; two records that disagree.
    (100, "rs1", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.25;CLIN_pathogenic"),
    (110, "rs2", "A", "C,G", "dbSNP_156;TSA=SNV;MA=T;MAF=0.25;CLIN_pathogenic"),
    (120, "rs3", "A", "G", "dbSNP_156;TSA=SNV;CLIN_pathogenic"),
    (130, "rs4", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.25;CLIN_pathogenic"),
    (130, "rs4", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.5;CLIN_pathogenic"),
    (140, "rs5", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.25;CLIN_pathogenic"),
    (140, "rs6", "A", "G", "dbSNP_156;TSA=SNV;MA=G;MAF=0.5;CLIN_pathogenic"),
]


def test_a_frequency_that_is_published_is_never_said_not_to_be(
    tmp_path: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    write_mirror(tmp_path / "mirror", {"22": _OF_ONE_ID})
    fetch_ensembl(tmp_path / "store", mirrors=[str(tmp_path / "mirror")], release=116)
    records = [record("chr22", 100 + 10 * index, "A", "G") for index in range(5)]
    vcf = written(tmp_path, plain_vcf(*records))
    page = run(tmp_path, vcf, tmp_path / "store") / "summary.html"
    with opened(chromium, page) as shown:
        cells = [*cells_of(variants(shown)), *cells_of(variants(shown, UNCERTAIN))]
    uncertain = "published, ALT uncertain"
    assert {row[0].removeprefix("chr22:"): row[5] for row in cells} == {
        "100": "0.25", "110": uncertain, "120": "not published", "130": uncertain, "140": uncertain,
    }  # fmt: skip
    counts = table_of(page, chromium, "frequencies")
    assert {name: count for name, (count,) in counts.items() if count} == {
        "over 10 to 25 %": 1, uncertain: 3, "not published": 1,
    }  # fmt: skip


def test_one_percentage_is_told_everywhere(tmp_path: Path, store: Path, chromium: Browser) -> None:
    """Of ten ALTs, seven could be compared: four known, three not there."""
    known = [KNOWN, SECOND, record(), record("22")]
    absent = [UNKNOWN, record(alt="A"), record(ref="G", alt="T")]
    others = [record("chrUn_1"), record(alt="<DEL>"), record("chr21", 5000451)]
    vcf = written(tmp_path, plain_vcf(*known, *absent, *others, record(alt=".")))
    outcome = invoke(
        "annotate", "--vcf", vcf, "--reference", store, "--out-vcf", tmp_path / "out.vcf.gz",
        "--tally", tmp_path / "tally.json",
        "--metrics", tmp_path / "metrics.json", "--chromosomes", "22",
    ).succeeded()  # fmt: skip
    report(tmp_path)
    rest = "3 not compared: 2 not_requested, 1 symbolic"
    assert (
        "annotated: 11 records, 4 of 7 alleles that could be compared known to Ensembl release 116 "
        f"(57.143 %), {rest}, in "
    ) in outcome.stdout
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    assert (metrics["num_alleles"], metrics["num_compared"]) == (10, 7)
    assert metrics["annotated_percent"] == 57.143
    (row,) = json.loads((tmp_path / "one_mqc.json").read_bytes())["data"].values()
    assert (row["annotated_percent"], row["num_compared"]) == (57.143, 7)
    beside = ("contig_absent", "not_requested", "symbolic")
    assert [row[f"num_{name}"] for name in beside] == [0, 2, 1]
    with opened(chromium, tmp_path / "summary.html") as shown:
        cards = " ".join(shown.page.locator(".cards").inner_text().split())
    assert f"4 in Ensembl (57.1 % of 7 that could be compared; {rest.replace('_', ' ')})" in cards
    contigs = table_of(tmp_path / "summary.html", chromium, "contigs")
    assert [sum(counts) for counts in zip(*contigs.values(), strict=True)] == [4, 3, 3]


def test_strikingly_few_matches_are_noted(tmp_path: Path, store: Path, chromium: Browser) -> None:
    records = [record("chr22", 20000000 + 3 * index, "N", "G") for index in range(1000)]
    vcf = written(tmp_path, plain_vcf(*records, record("chr10_x", id_="rs5"), record("chr2_x")))
    page = run(tmp_path, vcf, store) / "summary.html"
    with opened(chromium, page) as shown:
        notes = shown.page.locator("#notes").inner_text()
    assert "Only 0 of 1,000 ALTs that could be compared are in Ensembl" in notes
    assert "chr2_x, chr10_x" in notes
    known = written(tmp_path, plain_vcf(record(id_="rs5")), "known.vcf")
    (tmp_path / "known").mkdir()
    with opened(chromium, run(tmp_path / "known", known, store) / "summary.html") as shown:
        assert "1 record with an rsID of its own" in shown.page.locator("#notes").inner_text()


def test_a_reference_of_many_contigs_is_looked_up_whole(
    tmp_path: Path, store: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotate, "_MOST_NAMED", 1)
    page = run(tmp_path, SAMPLE, store) / "summary.html"
    with opened(chromium, page) as shown:
        assert "Not the whole genome" not in shown.page.inner_text("body")
    # What has a name of any length has its place.
    odd = "chr" + "9" * 5000
    vcf = written(tmp_path, plain_vcf(record(odd), record("chr²"), record("²")))
    run(tmp_path, vcf, store)


def test_a_term_of_an_uncertain_allele_is_on_top(
    tmp_path: Path, store: Path, chromium: Browser
) -> None:
    vcf = written(tmp_path, plain_vcf(record("chr7", 140753336, "A", "T")))
    page = run(tmp_path, vcf, store) / "summary.html"
    with opened(chromium, page) as shown:
        cards = " ".join(shown.page.locator(".cards").inner_text().split())
        assert "0 + 1 with a pathogenic" in cards
        assert "+ those where it is uncertain of which allele" in cards


def test_kinds_and_transitions(tmp_path: Path, store: Path, chromium: Browser) -> None:
    vcf = written(
        tmp_path,
        plain_vcf(
            record(pos=20000001, ref="A", alt="G"),
            record(pos=20000002, ref="AC", alt="GC"),
            record(pos=20000003, ref="A", alt="C,AT,<DEL>"),
            record(pos=20000004, ref="ATG", alt="A"),
            record(pos=20000007, ref="ATG", alt="CCC"),
            record(pos=20000010, ref="ATG", alt="CCCC"),
            record(pos=20000020, ref="A", alt="."),
        ),
    )
    page = run(tmp_path, vcf, store) / "summary.html"
    assert table_of(page, chromium, "kinds") == {
        "SNV": [0, 3, 0], "insertion": [0, 1, 0], "deletion": [0, 1, 0], "MNV": [0, 1, 0],
        "indel": [0, 1, 0], "not a sequence": [0, 0, 1],
    }  # fmt: skip
    with opened(chromium, page) as shown:
        assert shown.texts("#quality tbody tr") == [
            "in Ensembl\t0\t0\ttoo few",
            "not in Ensembl\t2\t1\ttoo few",
        ]


@pytest.mark.parametrize(
    ("calls", "alt", "expected", "card"),
    [
        ((CALL,), "A", "0/1", "1 carried"),
        (("0/0:9,0:9:50",), "A", "0/0 (not carried)", "0 carried"),
        (("1|1:0,9:9:50",), "A", "1|1", "1 carried"),
        (("./.",), "A", "./. (not called)", "0 carried"),
        (("0/.",), "A", "0/. (not called)", "0 carried"),
        ((".",), "A", ". (not called)", "0 carried"),
        (("",), "A", " (not called)", "0 carried"),
        (("./1",), "A", "./1", "1 carried"),
        (("/0|0",), "A", "/0|0 (not carried)", "0 carried"),
        (("1/2",), "T,A", "1/2 (this is ALT 2)", "1 carried"),
        (("0/1",), "T,A", "0/1 (not carried)", "0 carried"),
        (("0/1:1:1:1", "0/0:1:1:1", "1/1:1:1:1"), "A", "2 of 3 samples", "1 carried"),
        (("./.", "0/0", "0/1"), "A", "1 of 3 samples, 1 not called", "1 carried"),
        (("./.", "0/0"), "A", "0 of 2 samples, 1 not called", "0 carried"),
        ((), "A", "no sample", "1 with"),
    ],
)
def test_the_genotype_says_whether_the_allele_is_carried(
    calls: tuple[str, ...],
    alt: str,
    expected: str,
    card: str,
    tmp_path: Path,
    store: Path,
    chromium: Browser,
) -> None:
    pathogenic = record("chr22", 10000451, "G", alt, calls=calls)
    lines = [
        f'##FORMAT=<ID={name},Number=.,Type=String,Description="x">'
        for name in ("GT", "AD", "DP", "GQ")
    ]
    names = [f"S{index}" for index in range(len(calls))]
    vcf = written(tmp_path, plain_vcf(pathogenic, lines=lines, samples=names))
    page = run(tmp_path, vcf, store) / "summary.html"
    with opened(chromium, page) as shown:
        assert variants(shown).locator("td").nth(3).inner_text() == expected.strip()
        cards = shown.page.locator(".cards").inner_text()
        assert f"{card}{', with' if 'carried' in card else ''} a pathogenic" in " ".join(
            cards.split()
        )


def test_a_long_list_is_whole_sorted_and_printed(
    tmp_path: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSEMBL_ANNOTATIONS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ensembl_annotations.vcf.read.VcfReader.batch_bytes", 4000)
    terms, calls = ("likely_pathogenic", "pathogenic"), ("0/0", "./.", "0/1", "1|1", "1")
    found = [(49_000_000 + 10 * index, terms[index % 2], calls[index % 5]) for index in range(300)]
    rows: list[Row] = [
        (pos, f"rs14{pos}", "A", "G", f"dbSNP_156;TSA=SNV;CLIN_{term};CLIN_benign")
        for pos, term, _ in found
    ]
    write_mirror(tmp_path / "mirror", {"22": rows})
    fetch_ensembl(tmp_path / "store", mirrors=[str(tmp_path / "mirror")], release=116)
    line = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
    records = [
        record("chr22", pos, "A", "G", calls=(call,), format_="GT") for pos, _, call in found
    ]
    vcf = written(tmp_path, plain_vcf(*records, lines=[line], samples=["S"]))
    page = run(tmp_path, vcf, tmp_path / "store") / "summary.html"
    order = (("1|1", "1"), ("0/1",), ("./.",), ("0/0",))
    expected = [
        (f"chr22:{pos}", f"rs14{pos}")
        for group in order
        for wanted in ("pathogenic", "likely_pathogenic")
        for pos, term, call in found
        if term == wanted and call in group
    ]
    with opened(chromium, page, width=PRINTED_WIDTH) as shown:
        shown.page.emulate_media(media="print")
        cells = [row.split("\t") for row in variants(shown).all_inner_texts()]
        assert [(row[0], row[6]) for row in cells] == expected
        # On the paper, each with its whole width.
        boxes = variants(shown).evaluate_all(
            "rows => rows.map(row => [row.offsetHeight, row.lastElementChild.getBoundingClientRect().right])"
        )
        assert all(height > 0 and right <= PRINTED_WIDTH for height, right in boxes)
        # A position that is cut by the end of a line reads as another one.
        lines = variants(shown).evaluate_all(
            """rows => rows.flatMap(row => [row.cells[0].firstChild, row.cells[6].firstChild.firstChild])
            .map(text => {
              const range = document.createRange();
              range.selectNodeContents(text);
              return range.getClientRects().length;
            })"""
        )
        assert lines == [1] * 2 * len(expected)


def test_a_list_that_is_cut_keeps_what_matters_most_and_says_so(
    tmp_path: Path, store: Path, made: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensembl_annotations.annotate.tally.MOST_LISTED", 4)
    monkeypatch.setattr("ensembl_annotations.vcf.read.VcfReader.batch_bytes", 400)
    page = run(tmp_path, SAMPLE, store) / "summary.html"
    with opened(chromium, made / "summary.html") as shown:
        whole = variants(shown).all_inner_texts()
    with opened(chromium, page) as shown:
        assert variants(shown).all_inner_texts() == whole[:4]
        text = shown.page.locator("#clinical").inner_text()
        (total,) = re.findall("Pathogenic and likely pathogenic: 4, the first of ([0-9]+)", text)
        assert int(total) > 4
        assert f"By genotype: {total} carried." in text


def test_a_demonstration_says_that_it_is_one(
    tmp_path: Path, store: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in ("unnamed", DEMONSTRATION):
        package = store / "datapackage.json"
        folder = tmp_path / source
        shutil.copytree(store, folder / "store")
        text = json.loads(package.read_text()) | {"source": source}
        (folder / "store" / "datapackage.json").write_text(json.dumps(text))
        page = run(folder, SAMPLE, folder / "store") / "summary.html"
        with opened(chromium, page) as shown:
            shows = shown.page.get_by_text("Never interpret a genome with it").count()
            assert shows == (source == DEMONSTRATION)


def test_text_of_the_vcf_can_not_become_markup(
    tmp_path: Path, store: Path, chromium: Browser
) -> None:
    bad = "<img src=x onerror=alert(1)>"
    vcf = tmp_path / f"{bad.replace('/', '')}.vcf"
    vcf.write_bytes(
        plain_vcf(KNOWN, record("chr<script>", 5, "A", "G"), lines=("##contig=<ID=chr<script>>",))
    )
    page = run(tmp_path, vcf, store) / "summary.html"
    check_page(chromium, page)
    with opened(chromium, page) as shown:
        assert shown.page.locator("img, script").count() == 0
        assert bad in shown.page.locator("#made-from").inner_text()


def test_a_vcf_without_records_has_a_page(tmp_path: Path, store: Path, chromium: Browser) -> None:
    vcf = written(tmp_path, plain_vcf().split(b"chr22\t")[0])
    page = run(tmp_path, vcf, store) / "summary.html"
    with opened(chromium, page) as shown:
        assert "0\nrecords" in shown.page.locator(".cards").inner_text()
        assert shown.messages == []


def test_the_page_does_not_depend_on_the_pieces(
    tmp_path: Path, store: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensembl_annotations.vcf.read.VcfReader.batch_bytes", 400)
    again = run(tmp_path, SAMPLE, store)
    for name in ("tally.json", *REPORT):
        assert (again / name).read_bytes() == (made / name).read_bytes()


def test_nothing_is_written_where_the_run_fails(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(KNOWN, SECOND, UNKNOWN) + b"broken\n")
    outcome = invoke(
        "annotate", "--vcf", vcf, "--reference", store, "--out-vcf", tmp_path / "o.vcf.gz",
        "--summary", tmp_path / "s.html", "--tally", tmp_path / "tally.json",
    )  # fmt: skip
    outcome.failed(str(vcf), "line")
    assert sorted(path.name for path in tmp_path.iterdir()) == [vcf.name]


@pytest.mark.parametrize("with_tally", [False, True])
def test_the_page_of_annotate_is_that_of_the_report(
    tmp_path: Path, store: Path, made: Path, with_tally: bool
) -> None:
    tally = ("--tally", tmp_path / "tally.json") if with_tally else ()
    invoke(
        "annotate", "--vcf", SAMPLE, "--reference", store, "--out-vcf", tmp_path / "o.vcf.gz",
        "--summary", tmp_path / "pages" / "me.html", *tally,
    ).succeeded()  # fmt: skip
    # Nobody gave it a name: it is called as in the VCF.
    invoke(
        "report", made / "tally.json", "--out", tmp_path / "report", "--name", "demo"
    ).succeeded()
    page = (tmp_path / "pages" / "me.html").read_bytes()
    assert page == (tmp_path / "report" / "summary.html").read_bytes()
    assert (tmp_path / "tally.json").exists() == with_tally


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("in.vcf", "is the input"),
        ("o.vcf", "named for two outputs"),
        ("tally.json", "named for two outputs"),
        ("store/page.html", "is inside the reference store"),
        ("-", "Only --out-vcf can be '-'"),
    ],
)
def test_the_page_overwrites_nothing_of_the_run(
    name: str, message: str, tmp_path: Path, store: Path
) -> None:
    shutil.copytree(store, tmp_path / "store")
    vcf = written(tmp_path, plain_vcf(KNOWN), name="in.vcf")
    before = snapshot(tmp_path)
    outcome = invoke(
        "annotate", "--vcf", vcf, "--reference", tmp_path / "store",
        "--out-vcf", tmp_path / "o.vcf", "--tally", tmp_path / "tally.json",
        "--summary", name if name == "-" else tmp_path / name,
    )  # fmt: skip
    outcome.failed(message, code=2)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["", ".", "../me", "a/b", "/me"])
def test_the_report_stays_in_its_folder(name: str, tmp_path: Path, made: Path) -> None:
    outcome = invoke("report", made / "tally.json", "--out", tmp_path / "out", "--name", name)
    outcome.failed("--name: expected a name", repr(name), code=2)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda text: text[:-1], "the file"),
        (lambda _: "{}", "vcf"),
        (lambda text: text.replace('"samples":', '"sample":', 1), "samples"),
        (lambda text: text.replace('"window":[', '"windows":[', 1), "cube"),
        (lambda text: text.replace('"window":[0,', '"window":[', 1), "cube"),
        (lambda text: text.replace('"window":[0,', '"window":["x",', 1), "cube"),
        (lambda text: text.replace('"num_compared":', '"num_compare":', 1), "metrics"),
        (lambda text: text.replace('"Release":', '"Releases":', 1), "provenance"),
    ],
)
def test_what_is_no_tally_is_explained(
    change: Callable[[str], str], where: str, tmp_path: Path, made: Path
) -> None:
    text = (made / "tally.json").read_text("utf-8")
    tally = tmp_path / "tally.json"
    tally.write_text(change(text), "utf-8")
    assert tally.read_text("utf-8") != text
    outcome = invoke("report", tally, "--out", tmp_path / "out", "--name", "one")
    outcome.failed(f"{tally}: not a tally: {where}", "annotate --tally")
    assert not (tmp_path / "out").exists()


def test_multiqc_makes_one_table_of_several_samples(
    tmp_path: Path, made: Path, store: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    metrics = json.loads((made / "metrics.json").read_text())
    for name in ("one", "two"):
        content = json.loads((made / "one_mqc.json").read_text())
        content["data"] = {name: content["data"]["one"]}
        (folder / f"{name}_mqc.json").write_text(json.dumps(content))
    subprocess.run(
        [sys.executable, "-m", "multiqc", str(folder), "-o", str(tmp_path / "report"),
         "--no-version-check", "--strict"],
        check=True, capture_output=True,
    )  # fmt: skip
    report = tmp_path / "report"
    assert (report / "multiqc_report.html").stat().st_size > 100_000
    (data,) = (report / "multiqc_data").glob("multiqc_ensembl_annotations*.txt")
    lines = [line.split("\t") for line in data.read_text().splitlines()]
    assert [row[0] for row in lines[1:]] == ["one", "two"]
    place = lines[0].index("num_alleles")
    assert {float(row[place]) for row in lines[1:]} == {float(metrics["num_alleles"])}


def sorted_by(shown: Opened, link: str) -> list[str]:
    """Return the names of samples from the top down, after a click."""
    shown.page.locator(f"a[href='#{link}']").first.click()
    rows = shown.page.locator("table.sorts tbody tr")
    tops = rows.evaluate_all("rows => rows.map(row => row.getBoundingClientRect().y)")
    names = [name for name, *_ in cells_of(rows)]
    assert len(set(tops)) == len(names)
    return [name for _, name in sorted(zip(tops, names, strict=True))]


def test_samples_of_an_entry_are_sorted_without_scripts(tmp_path: Path, chromium: Browser) -> None:
    figures = {
        f"s{at}": {
            "num_records": records, "num_compared": compared, "annotated_percent": percent,
            "num_high_impact": 3, "num_moderate_impact": at,
        }
        for at, (records, compared, percent) in enumerate(
            [(100, 10, 90.5), (99, 0, 0.0), (1100, 10, 9.25), (98, 10, 100.0)] + [(100, 10, 90.0)] * 8
        )
    }  # fmt: skip
    rows = [sample_row(name, **item) for name, item in figures.items()]
    (tmp_path / "tally.json").write_text(json.dumps(entry_of(*rows)))
    write_report(tmp_path / "tally.json", tmp_path, "cohort")
    check_page(chromium, tmp_path / "summary.html")
    with opened(chromium, tmp_path / "summary.html") as shown:
        # Those that differ from the others come first.
        first = sorted_by(shown, "samples")
        assert first[:3] == ["s1", "s2", "s3"]
        assert shown.page.locator("table.sorts thead").inner_text().count("▲") == 10
        order = sorted_by(shown, "num_records-down")
        assert order == ["s2", *(f"s{at}" for at in (0, 4, 5, 6, 7, 8, 9, 10, 11)), "s1", "s3"]
        assert sorted_by(shown, "num_records-up") == ["s3", "s1", *order[1:-2], "s2"]
        # What has no value is before the lowest.
        assert sorted_by(shown, "annotated_percent-up")[:3] == ["s1", "s2", "s4"]
        assert sorted_by(shown, "annotated_percent-down")[:2] == ["s3", "s0"]
        assert sorted_by(shown, "num_moderate_impact-down")[:2] == ["s11", "s10"]
        # The columns stay one below the other, and names can be seen.
        heads, cells = (
            [item.bounding_box() for item in shown.page.locator(f"table.sorts {part}").all()]
            for part in ("thead th", "tbody tr:first-child td")
        )
        assert [box and box["x"] for box in heads] == [box and box["x"] for box in cells]
        assert sorted_by(shown, "samples") == first
    with opened(chromium, tmp_path / "summary.html", width=400) as shown:
        sorted_by(shown, "num_moderate_impact-down")
        box = shown.page.locator("table.sorts tbody td").first.bounding_box()
        assert box and box["x"] >= 0
