"""Which INFO tags are written: all, or chosen by their names and groups."""

from __future__ import annotations

from collections.abc import Sequence

from ensembl_annotations.common.errors import UsageError, nearest
from ensembl_annotations.variants.outcomes import (
    TABLE_COLUMNS,
    TAG_GROUPS,
    TAG_IDS,
    TAGS,
    TRANSCRIPT_MODES,
)

ALL_TAGS = "all"


def parse_tags(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return the chosen tags, in the order in which they are written.

    Parameters
    ----------
    value : str or sequence of str
        ``all``, or names of tags and groups; in one string they are separated by commas.

    Raises
    ------
    UsageError
        Naming what is neither, with the nearest name; or that nothing is chosen.

    Examples
    --------
    >>> parse_tags("clinical,ENS_ID")
    ('ENS_ID', 'ENS_CLIN', 'ENS_RSCLIN')
    """
    listed = value.split(",") if isinstance(value, str) else value
    names = {name.strip() for name in listed} - {""}
    if not names:
        raise UsageError(f"tags: expected {_EXPECTED}; found none.")
    for name in sorted(names - {ALL_TAGS, *TAG_GROUPS, *TAG_IDS}):
        raise UsageError(
            f"tags: {name!r} is no tag and no group."
            + nearest(name, [ALL_TAGS, *TAG_GROUPS, *TAG_IDS]),
            hint=f"Give {_EXPECTED}.",
        )
    return tuple(tag.id for tag in TAGS if names & {ALL_TAGS, tag.group, tag.id})


def parse_columns(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns that the table is to have in addition.

    Parameters
    ----------
    value : str or sequence of str
        Names of `TABLE_COLUMNS`; in one string they are separated by commas, and an empty one is none.

    Raises
    ------
    UsageError
        Naming what is none, with the nearest name.
    """
    listed = value.split(",") if isinstance(value, str) else value
    names = {name.strip() for name in listed} - {""}
    for name in sorted(names - {*TABLE_COLUMNS}):
        raise UsageError(
            f"columns: {name!r} is no column that can be asked for.{nearest(name, TABLE_COLUMNS)}",
            hint=f"Give some of {', '.join(TABLE_COLUMNS)}, separated by commas.",
        )
    return tuple(name for name in TABLE_COLUMNS if name in names)


def describe_tags(tags: Sequence[str]) -> str:
    """Return a choice as the header line has it: ``all``, or the tags joined by ``|``."""
    return ALL_TAGS if tuple(tags) == TAG_IDS else "|".join(tags)


_EXPECTED = f"'{ALL_TAGS}', or tags and groups ({', '.join(TAG_GROUPS)}) separated by commas"


def check_transcripts(mode: str) -> None:
    """Raise UsageError where it is none of the words for the transcripts that are told."""
    if mode not in TRANSCRIPT_MODES:
        expected = ", ".join(TRANSCRIPT_MODES)
        raise UsageError(f"--transcripts: expected {expected}; found {mode!r}.")
