"""Of which ALTs the share of known ones is taken."""

from __future__ import annotations

from ensembl_annotations.annotate.compared import (
    NOT_IN_ENSEMBL,
    not_compared,
    num_known,
    share_known,
)
from ensembl_annotations.variants.outcomes import REASONS


def test_what_could_not_be_compared_is_in_no_share() -> None:
    reasons = dict.fromkeys(REASONS, 1)
    assert share_known(3, reasons) == (3 + len(NOT_IN_ENSEMBL), 50.0)
    assert share_known(0, {"symbolic": 5}) == (0, 0.0)
    assert share_known(2, {"site_unknown": 1}) == (3, 66.667)


def test_what_is_said_of_it() -> None:
    metrics = {f"num_{name}": 0 for name in REASONS} | {"num_exact": 2, "num_shifted": 1}
    assert (not_compared(metrics), num_known(metrics)) == ("", 3)
    metrics |= {"num_symbolic": 2, "num_no_alt": 7, "num_site_unknown": 9}
    assert not_compared(metrics) == "2 not compared: 2 symbolic"
