"""Which lines the kernel refuses, what is said of them, and which values it counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensembl_annotations import _kernel
from ensembl_annotations.annotate.counts import Tally, tally_of
from ensembl_annotations.annotate.engine import Engine
from ensembl_annotations.annotate.lookup import Contigs
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.read import Reference
from ensembl_annotations.vcf.read import Limits, VcfReader
from ensembl_annotations.vcf.untyped import Untyped
from tests.support.store import snv, write_store

COLUMNS = [
    "#CHROM",
    "POS",
    "ID",
    "REF",
    "ALT",
    "QUAL",
    "FILTER",
    "INFO",
    "FORMAT",
    "S1",
    "S2",
    "S3",
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    folder = write_store(tmp_path_factory.mktemp("engine") / "store", {"1": [snv(5, "A>C", 7)]})
    with Reference(ReferenceStore(folder)) as opened:
        yield opened


@pytest.fixture
def counted(reference: Reference, tmp_path: Path) -> Counted:
    return Counted(reference, tmp_path)


class Counted:
    """Annotate lines, and return what is counted of them."""

    def __init__(self, reference: Reference, folder: Path) -> None:
        self._reference, self._folder = reference, folder

    def __call__(
        self, *lines: str, samples: int = 0, limits: Limits | None = None, max_absent: int = 9
    ) -> Tally:
        columns = COLUMNS[: 9 + samples if samples else 8]
        rows = [line.replace(" ", "\t") for line in (" ".join(columns), *lines)]
        path = self._folder / "x.vcf"
        text = "\n".join(["##fileformat=VCFv4.2", *rows, ""])
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with VcfReader(path, limits=limits or Limits()) as reader:
            contigs = Contigs(self._reference.store, {})
            engine = Engine(reader, self._reference, contigs, max_absent=max_absent)
            found = Tally()
            for piece in reader.pieces():
                for part in reader.parts(piece):
                    with engine.annotated(part) as result:
                        found = found.plus(tally_of(result, part))
        return found


def test_a_record_is_counted_by_its_alts(counted: Counted) -> None:
    found = counted("1 5 . A C,G . . .", "1 6 . A . . . .", "c 5 . A C . . .")
    assert (found.num_records, found.num_alleles, found.num_exact) == (3, 3, 1)
    assert found.reasons == {"allele_differs": 1, "no_alt": 1, "contig_absent": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 5 . A C . .", "expected 8 columns as in the #CHROM line, found 7"),
        ("1 5 . A C . . . .", "expected 8 columns as in the #CHROM line, found 9"),
        ("", "expected 8 columns as in the #CHROM line, found 1"),
        ("1 x . A C . . .", "POS: expected a whole number up to 2147483647, found 'x'"),
        ("1  . A C . . .", "POS: expected a whole number up to 2147483647, found ''"),
        ("1 -1 . A C . . .", "POS: expected a whole number up to 2147483647, found '-1'"),
        (
            "1 2147483648 . A C . . .",
            "POS: expected a whole number up to 2147483647, found '2147483648'",
        ),
        (
            "1 99999999999 . A C . . .",
            "POS: expected a whole number up to 2147483647, found '99999999999'",
        ),
        ("1 5 . A C high . .", "QUAL: expected a number or '.', found 'high'"),
        ("1 5 . A C . . ENS_ID=rs7", "INFO already has ENS_ID"),
        ("1 5 \udcff A C . . .", "ID is not UTF-8"),
        ("1 5 . A C . \udcff .", "FILTER is not UTF-8"),
    ],
)
def test_what_is_no_record_is_refused_with_its_line(
    line: str, message: str, counted: Counted
) -> None:
    with pytest.raises(InputError, match=re.escape(f"x.vcf: line 4: {message}")):
        counted("1 5 . A C . . .", line)


@pytest.mark.parametrize(
    ("calls", "word"), [("GT\udcff 0/1", "FORMAT"), ("GT \udcff", "GT"), ("DP:GT 1:\udcff", "GT")]
)
def test_genotypes_are_text(calls: str, word: str, counted: Counted) -> None:
    with pytest.raises(InputError, match=f"line 4: {word} is not UTF-8"):
        counted("1 5 . A C . . . GT 0/1", f"1 6 . A C . . . {calls}", samples=1)
    assert counted("1 5 . A C . . . GT:XX 0/1:\udcff", samples=1).num_exact == 1


def test_values_that_are_not_of_their_type_are_counted(counted: Counted) -> None:
    start = "1 5 . A C . . . DP:GQ:AD"
    found = counted(
        f"{start} 7:1e1:1,.", f"{start} many:x:1,b", f"{start} 99999999999:2:3", samples=1
    )
    assert found.untyped == {
        "DP": Untyped(2, 4, "many"),
        "GQ": Untyped(1, 4, "x"),
        "AD": Untyped(1, 4, "1,b"),
    }
    # Of several samples there are no columns.
    assert counted(f"{start} many:x:1,b 1:2:3", samples=2).untyped == {}


# --- Limits --------------------------------------------------------------------------------------

MANY = ",".join("C" * 65_535)


def test_what_takes_too_much_memory_is_refused(counted: Counted) -> None:
    few = Limits(allele_bytes=10, hint="Mend it.")
    first = "1 5 . A C . . ."
    assert counted(first, f"1 6 . A {'C' * 8} . . .", limits=few).num_records == 2
    with pytest.raises(
        InputError, match="line 4: bytes of REF and ALT: expected at most 10, found 11"
    ) as caught:
        counted(first, f"1 6 . A {'C' * 9} . . .", limits=few)
    assert (caught.value.hint, caught.value.code) == ("Mend it.", "too_large")
    assert counted(first, f"1 6 . A {MANY[2:]} . . .").num_alleles == 65_535
    with pytest.raises(
        InputError, match="line 4: ALTs: expected at most 65,534, found 65,535"
    ) as caught:
        counted(first, f"1 6 . A {MANY} . . .")
    # More memory, or whatever else the limits depend on, does not help.
    assert caught.value.hint and "whatever the memory" in caught.value.hint


def test_a_vcf_of_a_great_many_other_contigs_is_refused(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VcfReader, "batch_bytes", 1)
    lines = [f"c{number} 5 . A C . . ." for number in range(4)]
    assert counted(*lines, max_absent=3).num_records == 4
    with pytest.raises(InputError, match=r"line 7: contigs .* expected at most 3, found 4 before"):
        counted(*lines, "1 5 . A C . . .", max_absent=3)


def test_a_piece_is_annotated_as_in_fresh_memory_whatever_came_before(
    reference: Reference, tmp_path: Path
) -> None:
    """Of all sizes, with a line that is refused between them, and one too large to be kept."""
    lines = {
        "few": b"1\t5\t.\tA\tC\t.\t.\t.\n",
        "many": b"".join(b"1\t%d\trs1;x\tA\tC,G\t5\t.\tDP=1\n" % pos for pos in range(1, 20_000)),
        "refused": b"1\t5\t.\tA\tC\t.\t.\t.\n1\tx\t.\tA\tC\t.\t.\t.\n",
        "long": b"1\t5\t.\tA\tC\t.\t.\tX=" + bytes(40 << 20).replace(b"\0", b"A") + b"\n",
        "END": b"1\t5\t.\tA\tC\t.\t.\tEND=90000\n",
    }
    table = reference.table("1")
    assert table is not None
    contig = [_kernel.Contig(table=table.handle, reason=_kernel.MATCHED)]
    room, spare = _kernel.Room(), _kernel.Spare()

    def answer(name: str, room: _kernel.Room | None) -> object:
        settings = _kernel.Settings(8, (1 << 15) - 1, index_depth=6, with_sites=True)
        try:
            with _kernel.annotated(
                lines[name], settings, contig, [0], room, room and spare
            ) as result:
                text = bytes(result.text)
                places = _kernel.numbers(result.spot, 4 * result.num_spots)
                return text, places, result.num_exact, [*result.reason]
        except _kernel.BadLine as error:
            return error.args

    wanted = {name: answer(name, None) for name in lines}
    assert b"ENS_ID=rs7" in wanted["few"][0]  # type: ignore[index]
    assert wanted["refused"] == (1, _kernel.BAD_POS, 1)
    for name in (*lines, *reversed(lines), "few", "long", "few", "refused", "many"):
        assert answer(name, room) == wanted[name], name
