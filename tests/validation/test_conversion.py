"""Random records of a release become what the rules say, applied to each record on its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembl_annotations.fetch.convert import convert as fetch_convert
from ensembl_annotations.fetch.convert import pieces
from ensembl_annotations.fetch.convert.info import Info, InfoParser, unknown_keys
from ensembl_annotations.store import write as store
from tests.support.allele_keys import allele_key
from tests.support.minor_allele import allele_frequencies
from tests.support.mirror import HEADER
from tests.unit.fetch.convert.test_convert import FLAGS, VALUES, Record, convert, text_of

LITERAL = set("ACGTUNRYSWKMBDHV")

base = st.sampled_from("ACGT")
allele = st.one_of(
    base, base, st.text("AC", min_size=1, max_size=5), st.text("ACGTNacR", min_size=1, max_size=4)
)
odd_allele = st.sampled_from([".", "N", "<.>", "A.", "", "*", "HGMD_MUTATION", "A" * 40])
alts = st.lists(st.one_of(allele, allele, allele, odd_allele), min_size=1, max_size=4).map(",".join)
names = st.one_of(
    st.integers(1, 2**33).map(lambda number: f"rs{number}"),
    st.sampled_from(
        ["rs0", "rs007", "rs", "rs+5", "rs1e3", "COSV1", "CM9", "rs5", "x rs5", "rs 5"]
    ),
)
info = (
    st.lists(st.sampled_from(FLAGS + VALUES), max_size=8)
    .map(";".join)
    .map(lambda text: text or ".")
)
record = st.tuples(st.integers(1, 60), names, allele, alts, info)
records = st.lists(record, min_size=1, max_size=30).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)


def stored_code(ref: str, alt: str, key: tuple[int, str, str]) -> int:
    """Return the code of an allele that has a key."""
    _, deleted, inserted = key
    if not (deleted and inserted):
        return 10 if inserted else 5
    written = len(ref) == len(alt) == 1 and {ref, alt} <= set("ACGT")
    return "ACGT".index(ref) * 4 + "ACGT".index(alt) if written else 15


def expected_rows(rows: list[Record], parser: InfoParser) -> list[dict[str, Any]]:
    """Apply the rules to each record on its own."""
    found = []
    for pos, name, ref, alt_text, info_text in rows:
        parsed = parser.parse(info_text)
        published = alt_text.split(",")
        frequencies = allele_frequencies(ref, published, parsed.ma, parsed.maf, None)
        number = name[2:] if name.startswith("rs") else ""
        is_rs = number.isascii() and number.isdigit() and number[0] != "0" and int(number) < 2**32
        for index, alt in enumerate(published):
            start, code = pos - 1, 0
            upper = ref.upper(), alt.upper()
            key = allele_key(pos, ref, alt)
            is_literal = all(text and set(text) <= LITERAL for text in upper)
            if is_literal and upper[0] != upper[1] and "N" not in key[2]:
                start, code = key[0], stored_code(ref, alt, key)
            minor_is_ref = parsed.ma is not None and parsed.ma.upper() == ref.upper()
            found.append(
                {
                    "start": start,
                    "code": code,
                    "pos": pos,
                    "ref": ref,
                    "alt": alt,
                    "rs": int(number) if is_rs else 0,
                    "name": None if is_rs else name,
                    "alt_index": index,
                    "num_alts": len(published),
                    "clin_certain": len(published) == 1 and not minor_is_ref,
                    "af": frequencies[index] if frequencies is not None else ...,
                    **{field: getattr(parsed, field) for field in Info.__slots__},
                }
            )
    return sorted(found, key=lambda row: (row["start"], row["code"], row["rs"]))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, st.integers(1, 500), st.integers(1, 12), st.sampled_from([1, 100, 2**63]))
def test_records_become_what_the_rules_say(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Record], piece: int, group: int, most: int
) -> None:
    folder = tmp_path_factory.mktemp("convert")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", piece)
        patch.setattr(store, "ROW_GROUP_ROWS", group)
        patch.setattr(fetch_convert, "_MOST_COMBINED", most)
        found, done, bad = convert(folder, text_of(rows))
    parser = InfoParser()
    parser.read_header(HEADER.splitlines())
    expected = expected_rows(rows, parser)
    columns = list(expected[0])
    assert [
        {**row, "af": ...} if wanted["af"] is ... else row
        for row, wanted in zip(found.select(columns).rows(named=True), expected, strict=True)
    ] == expected
    assert (done.num_records, bad) == (len(rows), [])
    counted: Counter[str] = Counter()
    for row in rows:
        other = parser.parse(row[4]).other
        counted += unknown_keys(other) if other else Counter()
    assert done.unknown == counted
