"""Merge two versions of a YAML file key by key, as text: comments and layout stay as they were written.

A *piece* is lines of one key: the comments and empty lines before it, or its own lines. Where a key has keys
below it, each on lines of its own, these have pieces of their own. A piece that one side changed is taken from
that side; one that both changed, differently, is a *conflict*.

``make`` copies this file into the repository's ``.git``, where git runs it as the merge driver of
``params.yaml`` and ``dvc.lock``. So it works whatever commit is checked out, and runs no code of that commit;
therefore it imports nothing of this package.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

SIDES = ("base", "ours", "theirs")
LOCK_DEPTH = 2
"""In ``dvc.lock`` the entry of a stage is merged as a whole: its digests belong together."""

# libyaml's, where PyYAML was built with it; one that leaves values as text is the fastest.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
# What YAML counts as the end of a line besides a line feed.
_OTHER_LINE_ENDS = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
_NOTHING = ("", "~", "null")
# Keys in a message.
_MOST = 10


class NotByKeyError(ValueError):
    """A file can't be merged key by key."""


@dataclass(frozen=True)
class Key:
    """A key and its lines.

    Attributes
    ----------
    lead : str
        The comments and empty lines before it.
    text : str
        Its own lines, those of keys below it left out.
    indent : int
        Its column.
    below : dict of str to Key, or None
        The keys below it; None where its value is anything but a mapping with a key per line. Nothing and
        ``{}`` are mappings without keys.
    """

    lead: str
    text: str
    indent: int
    below: dict[str, Key] | None

    @property
    def whole(self) -> str:
        return self.lead + self.text + _text_of(self.below)


@dataclass(frozen=True)
class Piece:
    """Lines as the merged file has them by each side: the same, unless both changed them."""

    key: tuple[str, ...]
    base: str
    ours: str
    theirs: str

    @property
    def is_conflict(self) -> bool:
        return not self.base == self.ours == self.theirs


@dataclass(frozen=True)
class Merged:
    """A merged file."""

    pieces: list[Piece]

    @property
    def conflicts(self) -> list[tuple[str, ...]]:
        """The keys that both sides changed, differently."""
        return list(dict.fromkeys(piece.key for piece in self.pieces if piece.is_conflict))

    def text(self, side: str, chosen: Mapping[tuple[str, ...], str | None] | None = None) -> str:
        """Return the file, in conflicts with what `side` has, or the side chosen for that key; without it for None."""
        sides = {
            piece: (chosen or {}).get(piece.key, side) if piece.is_conflict else side
            for piece in self.pieces
        }
        return "".join(getattr(piece, sides[piece] or "", "") for piece in self.pieces)


def merge_keys(base: str, ours: str, theirs: str, depth: int | None = None) -> Merged:
    """Merge two versions of a YAML file.

    Parameters
    ----------
    base, ours, theirs : str
        The file as both sides had it once (empty where they had none), and as each has it now.
    depth : int, optional
        How many levels of keys are merged key by key; default all.

    Raises
    ------
    NotByKeyError
        Where one of them, or the merged file, is no valid YAML, or has other than keys at the top.
    """
    merged = Merged(list(_merge((), *(read_keys(text, depth) for text in (base, ours, theirs)))))
    # An alias may have lost its anchor.
    for side in SIDES if merged.conflicts else ("ours",):
        read_keys(merged.text(side), depth)
    return merged


def read_keys(text: str, depth: int | None = None) -> Key:
    """Return a file as a key with the keys of the file below it, and last, named ``""``, what follows these.

    Raises
    ------
    NotByKeyError
        Where it is no valid YAML, or has other than keys at the top.
    """
    if _OTHER_LINE_ENDS.search(text):
        raise NotByKeyError("has line ends other than line feeds")
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []
    try:
        root = yaml.compose("".join(lines), _LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise NotByKeyError(f"is no valid YAML: {error}") from error
    end = len(lines)
    while end and _is_comment(lines[end - 1]):
        end -= 1
    below = {} if root is None else _read_below(root, lines, 0, end, depth)
    if below is None:
        raise NotByKeyError("has other than keys, each on lines of its own")
    return Key("", "", 0, {**below, "": Key("", "".join(lines[end:]), 0, None)})


def _read_below(
    node: yaml.Node, lines: list[str], start: int, end: int, depth: int | None
) -> dict[str, Key] | None:
    """Return the keys of a mapping, whose lines begin after `start` at the earliest; None for another value."""
    if isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NOTHING:
        return {}
    if isinstance(node, yaml.MappingNode) and not node.value:
        return {}
    if depth == 0 or not isinstance(node, yaml.MappingNode) or node.flow_style:
        return None
    at = [key.start_mark.line for key, _ in node.value]
    # Keys on one line, or an alias, whose lines are elsewhere.
    is_apart = all(before < after for before, after in pairwise([start - 1, *at, end]))
    if not is_apart or not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        return None
    leads = [start, *(_lead_start(lines, *between) for between in pairwise(at))]
    below: dict[str, Key] = {}
    for (key, value), line, lead, stop in zip(
        node.value, at, leads, [*leads[1:], end], strict=True
    ):
        if key.value in below:
            raise NotByKeyError(f"has {key.value!r} twice")
        inner = _read_below(value, lines, line + 1, stop, None if depth is None else depth - 1)
        text = "".join(lines[line:stop]).removesuffix(_text_of(inner))
        below[key.value] = Key("".join(lines[lead:line]), text, key.start_mark.column, inner)
    return below


def _lead_start(lines: list[str], before: int, line: int) -> int:
    """Return where the comments and empty lines before a line begin, behind the line of the key before."""
    while line > before + 1 and _is_comment(lines[line - 1]):
        line -= 1
    return line


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _text_of(below: Mapping[str, Key] | None) -> str:
    return "".join(key.whole for key in (below or {}).values())


def _merge(
    path: tuple[str, ...], base: Key | None, ours: Key | None, theirs: Key | None
) -> Iterator[Piece]:
    versions = (base, ours, theirs)
    piece = _pick(path, *(key.whole if key else "" for key in versions))
    if not piece.is_conflict or not ours or not theirs or not _is_by_key(base, ours, theirs):
        yield piece
        return
    yield _pick(path, *(key.lead if key else "" for key in versions))
    yield _pick(path, *(key.text if key else "" for key in versions))
    below = [key.below or {} if key else {} for key in versions]
    for name in _in_order(*map(list, below[1:])):
        yield from _merge((*path, name), *(keys.get(name) for keys in below))


def _pick(path: tuple[str, ...], base: str, ours: str, theirs: str) -> Piece:
    """Return lines of the side that changed them; of both, where both did and differ."""
    if base in (ours, theirs) or ours == theirs:
        merged = theirs if base == ours else ours
        return Piece(path, merged, merged, merged)
    return Piece(path, base, ours, theirs)


def _is_by_key(base: Key | None, ours: Key, theirs: Key) -> bool:
    """Tell whether versions of a key are of one kind, and what is below them can stand side by side."""
    keys = [key for key in (base, ours, theirs) if key]
    # Of another column, the keys of one side would end up below those of the other.
    indents = {item.indent for key in keys for item in (key.below or {}).values()}
    # Below the line of one that is written as empty, `samples: {}`, there can be no keys.
    is_one_kind = len({key.below is None for key in keys}) == 1
    return is_one_kind and bool(ours.below) == bool(theirs.below) and len(indents) <= 1


def _in_order(ours: list[str], theirs: list[str]) -> list[str]:
    """Return the keys of both: ours in their order, each of theirs alone before the one that follows it there."""
    names, known = list(ours), set(ours)
    following = None
    for name in reversed(theirs):
        if name not in known:
            names.insert(len(names) if following is None else names.index(following), name)
        following = name
    return names


def main(base: str, ours: str, theirs: str, name: str) -> int:
    """Merge as git's merge driver: the result replaces the file of ours.

    Where something is left to decide, all three files get what could be merged, so that ``git merge-file``,
    which the driver runs next, marks only what both sides changed.

    Returns
    -------
    int
        0 where the file of ours is the merged one; 1 where it is not.
    """
    paths = [Path(path) for path in (base, ours, theirs)]
    is_lock = name.endswith(".lock")
    try:
        texts = [path.read_bytes().decode("utf-8") for path in paths]
        merged = merge_keys(texts[0], texts[1], texts[2], LOCK_DEPTH if is_lock else None)
    except ValueError as error:
        print(f"{name}: not merged key by key: {error}", file=sys.stderr)
        return 1
    for side, path in zip(SIDES, paths, strict=True):
        _replace(path, merged.text(side))
    if not merged.conflicts:
        return 0
    print(f"{name}: both sides changed {named(merged.conflicts)}.", file=sys.stderr)
    print(
        "Choose in params.yaml, then run 'ensembl-annotations merge'."
        if is_lock
        else "Choose between the lines that are marked there.",
        file=sys.stderr,
    )
    return 1


def named(keys: list[tuple[str, ...]]) -> str:
    """Return the first keys for a message, such as ``ensembl.release, samples.p01``."""
    names = [".".join(key).rstrip(".") or "its last lines" for key in keys[:_MOST]]
    more = f" and {len(keys) - _MOST} more" if keys[_MOST:] else ""
    # Somebody else wrote them, and a terminal may obey what is in them.
    return "".join(
        letter if letter.isprintable() else "?" for letter in f"{', '.join(names)}{more}"
    )


def _replace(path: Path, text: str) -> None:
    """Replace a file as a whole: one that is cut short would lose lines."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
