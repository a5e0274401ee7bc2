"""A reference store on a web server and in S3: what is found, and how much of it is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from ensembl_annotations import (
    EnsemblAnnotationsError,
    ReferenceStoreError,
    UsageError,
    lookup,
    scan_reference,
    write_index,
)
from ensembl_annotations.store.copies import copy_store
from ensembl_annotations.store.index import open_index
from ensembl_annotations.store.remote import described_store, s3_system
from ensembl_annotations.store.write import Rows
from tests.support.fault_server import Step, fault_server
from tests.support.nginx import Nginx, nginx
from tests.support.seaweed import find_weed, s3_server, secret_of
from tests.support.store import rows_of, snv, write_store
from tests.support.vcf import invoke

C = pl.col
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


@pytest.fixture(scope="module")
def indexed(store: Path) -> Path:
    """Return a copy of the store that has an index."""
    folder = shutil.copytree(store, store.with_name("indexed"))
    write_index(folder)
    return folder


def sign_in(monkeypatch: pytest.MonkeyPatch, endpoint: str, user: str) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": f"{user}-secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["http", "s3"])
def address(request: pytest.FixtureRequest, store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "http":
        found: Nginx = request.getfixturevalue("server")
        return f"{found.url}/a store/"
    sign_in(monkeypatch, request.getfixturevalue("bucket"), "reader")
    return "s3://shared/a store"


@pytest.fixture(scope="module")
def bucket(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if find_weed() is None:
        pytest.skip("no SeaweedFS")
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        system = fs.S3FileSystem(
            access_key="admin", region="us-east-1",
            secret_key=secret_of("admin"),
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


def test_a_store_and_its_index_are_copied_to_a_bucket(
    bucket: str, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(monkeypatch, bucket, "admin")
    copy_store(indexed, "s3://shared/copies/116")
    address = "s3://shared/copies/116"
    assert open_index(address, described_store(address)) is not None
    assert lookup("rs77777", address).equals(lookup("rs77777", indexed))
    copy_store(indexed, address)
    before = lookup("22:5", address)

    def breaks_off(source: BinaryIO, out: BinaryIO, _length: int) -> None:
        out.write(source.read(2))
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", breaks_off)
        # What has no footer is sent each time.
        with pytest.raises(EnsemblAnnotationsError, match="can't be written"):
            copy_store(indexed, address)
    for path in indexed.iterdir():
        with s3_system().open_input_file(f"shared/copies/116/{path.name}") as there:
            assert there.read() == path.read_bytes()
    assert lookup("22:5", address).equals(before)
    sign_in(monkeypatch, bucket, "reader")
    with pytest.raises(EnsemblAnnotationsError, match=r"shared/copies/117/.*: can't be written"):
        copy_store(indexed, "s3://shared/copies/117")


def test_a_position_takes_a_row_group_and_the_footer(server: Nginx, store: Path) -> None:
    before = len(server.requests())
    found = scan_reference(f"{server.url}/a store").filter(chrom="21", pos=2_000_001).collect()
    assert len(found) == 1
    file = pq.ParquetFile(store / "homo_sapiens-chr21.parquet").metadata
    asked = server.requests()[before:]
    largest = max(group_bytes(file, group) for group in range(file.num_row_groups))
    sent = sum(row[1] for row in asked if row[3].endswith(".parquet"))
    assert sent <= largest + file.serialized_size + 8
    assert not any("chr22" in row[3] for row in asked)


def group_bytes(file: pq.FileMetaData, group: int) -> int:
    columns = range(file.num_columns)
    return sum(file.row_group(group).column(number).total_compressed_size for number in columns)


def test_a_store_is_asked_once_what_it_has(server: Nginx, store: Path) -> None:
    """Of a genome that is a tenth of what a position takes."""
    before = len(server.requests())
    assert len(lookup(["21:1", "21:11", "22:5", "rs1"], f"{server.url}/a store")) > 3
    asked = [row[3] for row in server.requests()[before:]]
    assert sum(path.endswith("/datapackage.json") for path in asked) == 1


def test_an_id_takes_two_row_groups_and_packed_footers(indexed: Path, server: Nginx) -> None:
    url = f"{server.url}/{indexed.name}"
    file = pq.read_metadata(indexed / "homo_sapiens-chr21.parquet")
    ids = pq.read_metadata(f"{indexed}.index/ids.parquet")
    packed = sum(path.stat().st_size for path in Path(f"{indexed}.index").glob("*.xz"))
    assert packed < file.serialized_size / 2
    before = len(server.requests())
    assert len(scan_reference(url).filter(id="rs77777").collect()) == 1
    asked = server.requests()[before:]
    descriptions = sum(row[1] for row in asked if row[3].endswith(".json"))
    most = max(group_bytes(file, group) for group in range(file.num_row_groups))
    most += max(group_bytes(ids, group) for group in range(ids.num_row_groups))
    assert sum(row[1] for row in asked) <= descriptions + packed + most
    assert not any("chr22" in row[3] for row in asked)


def test_what_is_found_is_the_same_with_and_without_an_index(
    indexed: Path, store: Path, server: Nginx
) -> None:
    queries = ["rs1", "rs77777", "rs400000", "rs400001", "21:1-200"]
    expected = lookup(queries, store)
    for folder in (store, indexed):
        assert lookup(queries, f"{server.url}/{folder.name}").equals(expected)


@pytest.mark.parametrize(
    "condition",
    [
        C("pos") == 2_000_001,
        C("pos") == 2_000_001,
        C("pos").is_in([1, 3_999_991, 2**40]),
        C("pos").is_between(655_351, 655_371, closed="none"),
        C("pos").is_between(3_900_000.5, 3_900_020.5),
        C("pos") > 3_999_000,
        (C("pos") >= 1_000_000) & (C("pos") < 1_000_041) & (C("ref") == "A"),
        C("pos") < 0,
        C("pos") != 5,
        C("pos") % 1_000_000 == 1,
        (C("rs") == 5) | (C("pos") == 11),
        C("rs").is_in([1, 2]),
        (C("rs") < 100) & (C("pos") > 2_000_000),
    ],
    ids=str,
)
def test_a_query_from_afar_finds_what_one_of_all_finds(
    condition: pl.Expr, server: Nginx, store: Path, whole: pl.DataFrame
) -> None:
    alleles = scan_reference(f"{server.url}/a store")
    assert alleles.filter(condition).collect().equals(whole.filter(condition))
    assert alleles.filter(condition).select("id").head(3).collect().equals(
        whole.filter(condition).select("id").head(3)
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(store: Path) -> pl.DataFrame:
    return scan_reference(store).collect()


def test_a_whole_store_streams(server: Nginx, whole: pl.DataFrame) -> None:
    before = len(server.requests())
    alleles = scan_reference(f"{server.url}/a store")
    assert alleles.collect().equals(whole)
    assert len(alleles.head(5).collect()) == 5
    # The second needs one row group.
    assert len(server.requests()) - before < 25


# --- Servers and networks ------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_store(tmp_path / "small", {"22": [snv(5, "G>T", 1)]})


def served(store: Path) -> dict[str, bytes]:
    return {f"/s/{path.name}": path.read_bytes() for path in store.iterdir()}


ALLELES = "/s/homo_sapiens-chr22.parquet"


def test_a_proxy_is_used(server: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name does not exist: only the proxy can have answered."""
    with nginx(tmp_path / "proxy", tmp_path, f"location / {{ proxy_pass {server.url}; }}") as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert len(lookup("22:5", "http://ensembl.invalid/a store")) == 1
        assert 4_000 < sum(row[1] for row in proxy.requests()) < 20_000


def test_an_unknown_authority_is_refused_and_a_known_one_is_not(
    small: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with fault_server(served(small), certificate=certificate) as server:
        with pytest.raises(ReferenceStoreError, match=r"CERTIFICATE.*\$REQUESTS_CA_BUNDLE"):
            scan_reference(f"{server.url}/s")
        assert not server.requests
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        assert len(scan_reference(f"{server.url}/s").collect()) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("number", range(4))
def test_a_connection_that_breaks_once_is_no_error(
    how: str, number: int, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensembl_annotations.store.remote._PAUSE_SEC", 0)
    steps = [Step() for _ in range(5)]
    steps[number] = Step(stop_after=3, how=how)
    with fault_server(served(small), *steps) as server:
        assert len(lookup("22:5", f"{server.url}/s")) == 1


@pytest.mark.parametrize("step", [Step(stop_after=3), Step(status=503)], ids=["cut", "503"])
def test_a_server_that_always_fails_is_given_up(
    step: Step, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensembl_annotations.store.remote._PAUSE_SEC", 0)
    with fault_server(served(small)) as server:
        alleles = scan_reference(f"{server.url}/s")
        server.default = step
        with pytest.raises(ReferenceStoreError, match=f"{ALLELES}: can't be read"):
            alleles.collect()
        assert 5 < len(server.requests) < 15


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step(ranges=False), "sends the whole file where a part is asked for"),
        (Step(begin=1), "expected bytes .* as its description says; the server sends"),
        (Step(status=404), "is not there, or not for you"),
        (Step(content=b"longer" * 100_000), "expected bytes .* as its description says"),
    ],
)
def test_a_file_that_can_t_be_read_in_place_is_told(step: Step, message: str, small: Path) -> None:
    with fault_server(served(small)) as server:
        server.always[ALLELES] = step
        with pytest.raises(ReferenceStoreError, match=f"{ALLELES}: .*{message}"):
            scan_reference(f"{server.url}/s").collect()
        assert server.sent[ALLELES] < 50_000


@pytest.mark.parametrize("at", [200, -300])
def test_a_file_that_was_altered_on_the_way_is_an_error(at: int, small: Path) -> None:
    files = served(small)
    altered = bytearray(files[ALLELES])
    altered[at] ^= 1
    with (
        fault_server(files | {ALLELES: bytes(altered)}) as server,
        pytest.raises(ReferenceStoreError, match=f"{ALLELES}: "),
    ):
        scan_reference(f"{server.url}/s").collect()


def test_a_description_may_come_packed_and_a_range_may_not(small: Path) -> None:
    with fault_server(served(small)) as server:
        server.always["/s/datapackage.json"] = Step(compress=True)
        assert len(scan_reference(f"{server.url}/s").collect()) == 1
        asked = {request.target: request.headers["Accept-Encoding"] for request in server.requests}
    assert "gzip" in asked["/s/datapackage.json"] and asked[ALLELES] == "identity"


def test_a_password_is_sent_and_not_shown(small: Path) -> None:
    with fault_server(served(small)) as server:
        address = server.url.replace("//", "//me:secret@")
        assert len(scan_reference(f"{address}/s").collect()) == 1
        assert all("Authorization" in request.headers for request in server.requests)
        server.always[ALLELES] = Step(status=400)
        with pytest.raises(ReferenceStoreError) as caught:
            scan_reference(f"{address}/s").collect()
        assert "secret" not in str(caught.value)


def test_no_redirect_leads_from_https_to_http(
    small: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with (
        fault_server(served(small)) as other,
        fault_server(
            {}, default=Step(status=302, headers={"Location": f"{other.url}/s/datapackage.json"}),
            certificate=certificate,
        ) as server,
        pytest.raises(ReferenceStoreError, match="without https"),
    ):  # fmt: skip
        scan_reference(f"{server.url}/s")


def test_what_is_no_store_is_told(server: Nginx, store: Path) -> None:
    with pytest.raises(ReferenceStoreError, match=r"none/datapackage\.json: is not there"):
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
    for address in ("s3://", "https://"):
        with pytest.raises(
            ReferenceStoreError, match=f"{address}: expected the address of a folder"
        ):
            scan_reference(address)
    # As a server answers whom it wants to log in. What mends a store on this machine is no help there.
    (other / "datapackage.json").write_text("<html></html>")
    with pytest.raises(ReferenceStoreError, match=r"not a description of.*Check the address"):
        scan_reference(f"{server.url}/other")


def test_alleles_are_not_matched_from_afar(server: Nginx) -> None:
    with pytest.raises(UsageError, match="an allele is matched in a store on this machine only"):
        lookup("21:1:A:C", f"{server.url}/a store")
