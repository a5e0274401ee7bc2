"""Of which ALTs the share of known ones is taken: defined here, and nowhere else.

An ALT *could be compared* if it is a sequence, at a position of a contig that was looked up. It is
then *known* (it matches) or *not in Ensembl* as it is written; where its REF is not Ensembl's, too.
All other ALTs are *not compared*: nobody can say whether Ensembl has them, and each has its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ensembl_annotations.variants.outcomes import REASONS

NOT_IN_ENSEMBL = ("allele_differs", "site_unknown", "ref_mismatch")
"""Reasons of ALTs that were compared, and are not there."""


def share_known(num_known: int, reasons: Mapping[str, int]) -> tuple[int, float]:
    """Return how many ALTs could be compared, and how many percent of them are known.

    Parameters
    ----------
    num_known : int
        ALTs that match.
    reasons : mapping
        Number of ALTs without a match, by reason.
    """
    num_compared = num_known + sum(reasons.get(name, 0) for name in NOT_IN_ENSEMBL)
    percent = 100 * num_known / num_compared if num_compared else 0.0
    return num_compared, round(percent, 3)


def num_known(metrics: Mapping[str, Any]) -> int:
    """Return the number of ALTs that match, from the figures of a run."""
    return int(metrics["num_exact"] + metrics["num_shifted"])


def not_compared(metrics: Mapping[str, Any]) -> str:
    """Say how many ALTs could not be compared and why, such as ``6 not compared: 6 symbolic``.

    Parameters
    ----------
    metrics : mapping
        The figures of a run.

    Returns
    -------
    str
        Empty where all could.
    """
    counts = {
        name: metrics[f"num_{name}"]
        for name in REASONS
        if name not in NOT_IN_ENSEMBL and name != "no_alt" and metrics[f"num_{name}"]
    }
    if not counts:
        return ""
    reasons = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{sum(counts.values())} not compared: {reasons}"
