"""Tab-separated text as arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembl_annotations.common.text import parse_digits

tokens = st.one_of(
    st.integers(0, 10**11).map(lambda number: str(number).encode()),
    st.binary(max_size=12).filter(lambda token: b"\t" not in token),
    st.text("0123456789", min_size=1, max_size=11).map(str.encode),
)


@settings(max_examples=500)
@given(st.lists(tokens, min_size=1, max_size=12), st.binary(max_size=9))
def test_digits_are_read_wherever_they_stand(values: list[bytes], rest: bytes) -> None:
    data = np.frombuffer(b"\t" * 8 + b"\t".join(values) + rest, np.uint8)
    end = 8 + np.cumsum([len(token) + 1 for token in values]) - 1
    begin = end - [len(token) for token in values]
    numbers, valid = parse_digits(data, begin, end)
    expected = [
        int(token) if 0 < len(token) <= 10 and token.isascii() and token.isdigit() else None
        for token in values
    ]
    found = zip(numbers.tolist(), valid.tolist(), strict=True)
    assert [number if good else None for number, good in found] == expected
