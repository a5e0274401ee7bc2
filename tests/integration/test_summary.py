"""The summary of a run: true to the table, legible, and standing alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser

from ensembl_annotations.annotate import summary
from tests.support.browser import browser, check_page, opened
from tests.support.vcf import (
    CALL,
    KNOWN,
    SAMPLE,
    SECOND,
    UNKNOWN,
    build_store,
    invoke,
    plain_vcf,
    record,
    written,
)

REPO = Path(__file__).resolve().parents[2]
TERMS = ("pathogenic", "likely_pathogenic")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("store"))


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
        "--summary", folder / "summary.html", "--multiqc", folder / "one_mqc.json",
        "--metrics", folder / "metrics.json", *options,
    ).succeeded()  # fmt: skip
    return folder


def table_of(shown: Path, chromium: Browser, figure: str) -> dict[str, list[int]]:
    """Return a figure's table: its first column, and the numbers of the others."""
    with opened(chromium, shown) as page:
        page.page.evaluate("document.querySelectorAll('details').forEach(x => x.open = true)")
        rows = page.page.locator(f"#{figure} tbody tr")
        cells = [rows.nth(index).locator("td").all_inner_texts() for index in range(rows.count())]
    return {row[0]: [int(cell.replace("\u202f", "")) for cell in row[1:]] for row in cells}


def test_the_page_stands_alone_and_is_accessible(made: Path, chromium: Browser) -> None:
    check_page(chromium, made / "summary.html")


def test_the_figures_are_those_of_the_table(made: Path, chromium: Browser) -> None:
    page = made / "summary.html"
    table = pl.read_parquet(made / "out.parquet")
    reasons = Counter(table["ens_reason"].drop_nulls().to_list())
    matches = table_of(page, chromium, "matches")
    assert matches.pop("exact")[0] + matches.pop("shifted")[0] == table["ens_id"].count()
    assert {name.replace(" ", "_"): row[1] for name, row in matches.items()} == reasons
    known = pl.col("ens_reason").is_null()
    contigs = table.group_by("chrom").agg(known.sum().alias("known"), (~known).sum().alias("novel"))
    assert table_of(page, chromium, "contigs") == {
        name: [a, b] for name, a, b in contigs.iter_rows()
    }
    assert table_of(page, chromium, "genome") == table_of(page, chromium, "contigs")
    frequencies = table_of(page, chromium, "frequencies")
    undecided = frequencies.pop("not published, or undecided")
    shares = table["ens_af"].drop_nulls()
    for label, (count,) in frequencies.items():
        low, high = (float(part) / 100 for part in label.removesuffix(" %").split(" to "))
        inside = (shares > low) & (shares <= high) | ((shares == 0) & (low == 0))
        assert count == inside.sum(), label
    assert sum(count for (count,) in frequencies.values()) == len(shares) >= 10
    assert undecided == [table["ens_id"].count() - len(shares)]
    terms = table_of(page, chromium, "terms")
    certain = Counter(table["ens_clin"].explode(empty_as_null=False).drop_nulls().to_list())
    every = Counter(table["ens_rsclin"].explode(empty_as_null=False).drop_nulls().to_list())
    assert terms == {
        name.replace("_", " "): [certain[name], every[name] - certain[name]] for name in every
    }


def test_pathogenic_variants_are_listed_with_genotype_and_link(
    made: Path, chromium: Browser
) -> None:
    table = pl.read_parquet(made / "out.parquet")
    wanted = table.filter(pl.col("ens_clin").list.eval(pl.element().is_in(TERMS)).list.any())
    with opened(chromium, made / "summary.html") as shown:
        rows = shown.page.locator("#clinical table").last.locator("tbody tr")
        listed = [rows.nth(index).locator("td").all_inner_texts() for index in range(rows.count())]
        links = shown.page.locator("#clinical a").evaluate_all("list => list.map(x => x.href)")
        text = shown.page.locator("#clinical").inner_text()
    assert len(listed) == len(wanted) >= 10
    for row, (chrom, pos, ids, call) in zip(
        listed, wanted.select("chrom", "pos", "ens_id", "gt").iter_rows(), strict=True
    ):
        assert row[0] == f"{chrom}:{pos}"
        assert row[2].split() == ids
        assert row[5].split()[0] == call
    assert "https://www.ensembl.org/Homo_sapiens/Variation/Explore?v=rs137852556" in links
    assert "not a diagnosis" in text


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
        "SNV": [0, 3], "insertion": [0, 1], "deletion": [0, 1], "MNV": [0, 1], "indel": [0, 1],
        "not a sequence": [0, 2],
    }  # fmt: skip
    with opened(chromium, page) as shown:
        assert shown.texts("#quality tbody tr") == ["known\t0\t0\t–", "novel\t2\t1\t2.00"]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ((CALL,), "0/1"),
        (("0/0:9,0:9:50",), "0/0 (not carried)"),
        (("1|1:0,9:9:50",), "1|1"),
        (("./.",), "./. (not carried)"),
        (("0/1:1:1:1", "0/0:1:1:1", "1/1:1:1:1"), "2 of 3 samples"),
        ((), "no sample"),
    ],
)
def test_the_genotype_says_whether_the_allele_is_carried(
    calls: tuple[str, ...], expected: str, tmp_path: Path, store: Path, chromium: Browser
) -> None:
    pathogenic = record("chr22", 10000451, "G", "A", calls=calls)
    lines = [
        f'##FORMAT=<ID={name},Number=.,Type=String,Description="x">'
        for name in ("GT", "AD", "DP", "GQ")
    ]
    names = [f"S{index}" for index in range(len(calls))]
    vcf = written(tmp_path, plain_vcf(pathogenic, lines=lines, samples=names))
    page = run(tmp_path, vcf, store) / "summary.html"
    with opened(chromium, page) as shown:
        listed = shown.page.locator("#clinical table").last.locator("tbody tr td")
        assert listed.nth(5).inner_text() == expected


def test_a_long_list_is_cut_and_says_so(
    tmp_path: Path, store: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "MOST_LISTED", 4)
    page = run(tmp_path, SAMPLE, store) / "summary.html"
    with opened(chromium, page) as shown:
        assert shown.page.locator("#clinical table").last.locator("tbody tr").count() == 4
        assert "The first 4 of" in shown.page.locator("#clinical").inner_text()


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
        assert bad in shown.page.locator("h1").inner_text()


def test_a_vcf_without_records_has_a_page(tmp_path: Path, store: Path, chromium: Browser) -> None:
    vcf = written(tmp_path, plain_vcf().split(b"chr22\t")[0])
    page = run(tmp_path, vcf, store) / "summary.html"
    with opened(chromium, page) as shown:
        assert "0\nrecords" in shown.page.locator(".cards").inner_text()
        assert shown.messages == []


def test_the_page_does_not_depend_on_the_pieces(
    tmp_path: Path, store: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensembl_annotations.annotate.read.VcfReader.batch_bytes", 400)
    again = run(tmp_path, SAMPLE, store)
    for name in ("summary.html", "one_mqc.json"):
        assert (again / name).read_bytes() == (made / name).read_bytes()


def test_nothing_is_written_where_the_run_fails(tmp_path: Path, store: Path) -> None:
    vcf = written(tmp_path, plain_vcf(KNOWN, SECOND, UNKNOWN) + b"broken\n")
    outcome = invoke(
        "annotate", "--vcf", vcf, "--reference", store, "--out-vcf", tmp_path / "o.vcf.gz",
        "--summary", tmp_path / "s.html", "--multiqc", tmp_path / "x_mqc.json",
    )  # fmt: skip
    outcome.failed(str(vcf), "line")
    assert sorted(path.name for path in tmp_path.iterdir()) == [vcf.name]


def test_a_name_that_multiqc_would_miss_is_refused(tmp_path: Path, store: Path) -> None:
    outcome = invoke(
        "annotate", "--vcf", SAMPLE, "--reference", store, "--out-vcf", tmp_path / "o.vcf.gz",
        "--multiqc", tmp_path / "x.json",
    )  # fmt: skip
    outcome.failed("_mqc.json", code=2)


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
