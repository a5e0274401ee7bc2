"""A reference store on a web server and in S3: what is found, and how much of it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pyarrow import fs

from ensembl_annotations import ReferenceStoreError, UsageError, lookup, scan_reference
from ensembl_annotations.store.write import Rows
from tests.support.nginx import Nginx, nginx
from tests.support.seaweed import find_weed, s3_server
from tests.support.store import rows_of, snv, write_store
from tests.support.vcf import invoke

NUM_ROWS = 400_000


def many_rows() -> Rows:
    """Return SNVs in seven row groups, and random rsIDs as chromosomes have them."""
    one = rows_of([snv(1, "A>C", 1, tsa="SNV")])
    numbers = np.random.default_rng(5).permutation(NUM_ROWS) + 1
    start = np.arange(0, 10 * NUM_ROWS, 10, np.int64)
    code = np.full(NUM_ROWS, 1, np.int64)
    detail = np.zeros(NUM_ROWS, np.int64)
    return Rows(start, code, numbers.astype(np.uint32), detail, one.details, int(start[-1]) + 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.store.rows_of", lambda rows: rows)
        root = tmp_path_factory.mktemp("in_place")
        rows = {"21": many_rows(), "22": rows_of([snv(5, "G>T", 1)])}
        return write_store(root / "www" / "a store", rows)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx"), store.parent) as running:
        yield running


@pytest.fixture(params=["http", "s3"])
def address(request: pytest.FixtureRequest, store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "http":
        found: Nginx = request.getfixturevalue("server")
        return f"{found.url}/a store/"
    endpoint, user = request.getfixturevalue("bucket"), "reader"
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": f"{user}-secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return "s3://shared/a store"


@pytest.fixture(scope="module")
def bucket(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if find_weed() is None:
        pytest.skip("no SeaweedFS")
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        system = fs.S3FileSystem(
            access_key="admin", region="us-east-1",
            secret_key="admin-secret",  # pragma: allowlist secret
            endpoint_override=server.url, allow_bucket_creation=True,
        )  # fmt: skip
        system.create_dir("shared")
        for path in store.iterdir():
            with system.open_output_stream(f"shared/a store/{path.name}") as out:
                out.write(path.read_bytes())
        yield server.url


def test_what_is_found_is_what_is_found_on_disk(address: str, store: Path) -> None:
    condition = pl.col("pos").is_between(1_000_001, 1_000_051)
    expected = scan_reference(store, "21").filter(condition).collect()
    assert len(expected) == 6
    assert scan_reference(address, "21").filter(condition).collect().equals(expected)
    name = expected["id"][2]
    assert lookup(name, address, chromosomes="21").equals(lookup(name, store, chromosomes="21"))
    assert lookup("chr22:5", address)["id"].to_list() == ["rs1"]
    done = invoke("lookup", "22:5", "--reference", address).succeeded()
    assert "rs1" in done.stdout


def test_a_position_takes_a_row_group_and_the_footer(server: Nginx, store: Path) -> None:
    before = len(server.requests())
    found = scan_reference(f"{server.url}/a store").filter(chrom="21", pos=2_000_001).collect()
    assert len(found) == 1
    size = (store / "homo_sapiens-chr21.parquet").stat().st_size
    # The end of the file, which has the footer, is asked for with 256 KiB.
    asked = server.requests()[before:]
    assert sum(row[1] for row in asked) < (1 << 18) + size / 5
    assert not any("chr22" in row[3] for row in asked)


def test_what_is_no_store_is_told(server: Nginx, store: Path) -> None:
    with pytest.raises(ReferenceStoreError, match=r"none/datapackage\.json: can't be read .*404"):
        scan_reference(f"{server.url}/none")
    other = store.parent / "other"
    other.mkdir(exist_ok=True)
    (other / "datapackage.json").write_text('{"store_version": 1}')
    with pytest.raises(
        ReferenceStoreError, match=f"{server.url}/other/datapackage.json: the store"
    ):
        scan_reference(f"{server.url}/other")
    with pytest.raises(ReferenceStoreError, match="can't be read"):
        scan_reference("http://127.0.0.1:9/x")


def test_alleles_are_not_matched_from_afar(server: Nginx) -> None:
    with pytest.raises(UsageError, match="an allele is matched in a store on this machine only"):
        lookup("21:1:A:C", f"{server.url}/a store")
