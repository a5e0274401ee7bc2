"""Merge two versions of a YAML file key by key, as text: comments and layout stay as they were written.

A *piece* is lines of one key: the comments and empty lines before it, or its own lines. Where a key has keys
below it, each on lines of its own, these have pieces of their own. A piece that one side changed is taken from
that side; one that both changed, differently, is a *conflict*. What is merged must also mean what the sides
mean, key by key: else nothing is.

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
from typing import Any

import yaml

SIDES = ("base", "ours", "theirs")
LOCK_DEPTH = 2
"""In ``dvc.lock`` the entry of a stage is merged as a whole: its digests belong together."""

# libyaml's, where PyYAML was built with it; one that leaves values as text is the fastest.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_MERGE_KEY = {(style, "<<") for style in ("", None)}
# What YAML counts as the end of a line besides a line feed.
_OTHER_LINE_ENDS = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
_NOTHING = ("", "~", "null")
# Without any of these there is no alias, no directive, and no key that stands for others.
_REACHES_FAR = re.compile("[&*%]|<<")
# Keys in a message.
_MOST = 10
# What git's driver is told: see `scripts/merge-driver`.
_MERGED, _NOT_READ, _CONFLICT = 0, 1, 3


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

    def marked(self, size: int = 7) -> str:
        """Return the file with conflicts marked as git marks them, each with all lines of its key by both sides."""
        begin, middle, end = (sign * size for sign in "<=>")
        return "".join(
            f"{begin} ours\n{piece.ours}{middle}\n{piece.theirs}{end} theirs\n"
            if piece.is_conflict
            else piece.ours
            for piece in self.pieces
        )


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
        Where one of them, or the merged file, is no valid YAML, or has other than keys at the top; where it has
        anchors or the like, by which lines change what a key means elsewhere; or where the merged lines do not
        mean what both sides mean.
    """
    texts = {"base": base, "ours": ours, "theirs": theirs}
    merged = Merged(list(_merge((), *(read_keys(text, depth) for text in texts.values()))))
    meanings = {side: read_meaning(text) for side, text in texts.items()}
    # By the values alone, whatever the lines are.
    for side in SIDES[1:] if merged.conflicts else ("ours",):
        if not _is_merged(
            read_meaning(merged.text(side)), side, meanings, set(merged.conflicts), depth
        ):
            raise NotByKeyError("would mean something that neither side wrote")
    return merged


def _is_merged(
    found: Any,
    side: str,
    meanings: Mapping[str, Any],
    conflicts: set[tuple[str, ...]],
    depth: int | None,
    path: tuple[str, ...] = (),
) -> bool:
    """Tell whether a value is the one that one side changed, or `side`'s in a conflict; key by key for mappings."""
    base, ours, theirs = (meanings[name] for name in SIDES)
    if path in conflicts and found == meanings[side]:
        return True
    if (base in (ours, theirs) or ours == theirs) and found == (theirs if base == ours else ours):
        return True
    # Key by key, then.
    inner = (found, ours, theirs, {} if base is None else base)
    if depth == len(path) or not all(isinstance(value, dict) for value in inner):
        return False
    return all(
        _is_merged(
            found.get(key),
            side,
            {name: (value or {}).get(key) for name, value in meanings.items()},
            conflicts,
            depth,
            (*path, key),
        )
        for key in {key for mapping in inner for key in mapping}
    )


def read_meaning(text: str) -> Any:
    """Return what a file means: mappings as dictionaries, other values with all that decides what they are.

    Raises
    ------
    NotByKeyError
        As `read_keys`.
    """
    try:
        return _meaning(_compose(text))
    except RecursionError as error:
        raise NotByKeyError("has values within values, too deep to be read") from error


def _meaning(node: yaml.Node | None) -> Any:
    """Return the value of a node; nothing and ``{}`` are the same."""
    if node is None:
        return {}
    if isinstance(node, yaml.ScalarNode):
        if not node.style and node.value in _NOTHING:
            return {}
        # Written as text, 1 is another value.
        return node.tag, not node.style, node.value
    if isinstance(node, yaml.SequenceNode):
        return node.tag, [_meaning(item) for item in node.value]
    pairs = [(_meaning(key), _meaning(value)) for key, value in node.value]
    names = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
    if len(names) < len(pairs):
        return node.tag, pairs
    return {key.value: value for (key, _), (_, value) in zip(node.value, pairs, strict=True)}


def _compose(text: str) -> yaml.Node | None:
    """Return the nodes of a file in which what a key means is written where the key is."""
    try:
        for event in yaml.parse(text, _LOADER) if _REACHES_FAR.search(text) else ():
            if getattr(event, "anchor", None):
                raise NotByKeyError(
                    f"has an anchor or alias, {event.anchor!r} in line {event.start_mark.line + 1}: its lines "
                    "change what is written elsewhere"
                )
            if isinstance(event, yaml.DocumentStartEvent) and (event.version or event.tags):
                raise NotByKeyError("has a directive (%), which changes what is written elsewhere")
            if isinstance(event, yaml.ScalarEvent) and (event.style, event.value) in _MERGE_KEY:
                raise NotByKeyError(
                    f"has a key '<<' in line {event.start_mark.line + 1}, which stands for others"
                )
        return yaml.compose(text, _LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise NotByKeyError(f"is no valid YAML: {error}") from error


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
    root = _compose("".join(lines))
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


def main(base: str, ours: str, theirs: str, name: str, size: str = "7") -> int:
    """Merge as git's merge driver: the result replaces the file of ours, with what is left to decide marked in it.

    Returns
    -------
    int
        0 where all is merged, 3 where conflicts are marked, 1 where the file is as it was.
    """
    is_lock = name.endswith(".lock")
    try:
        texts = [Path(path).read_bytes().decode("utf-8") for path in (base, ours, theirs)]
        merged = merge_keys(texts[0], texts[1], texts[2], LOCK_DEPTH if is_lock else None)
    except ValueError as error:
        print(_printable(f"{name}: not merged key by key: it {error}."), file=sys.stderr)
        return _NOT_READ
    _replace(Path(ours), merged.marked(int(size)))
    if not merged.conflicts:
        return _MERGED
    print(f"{name}: both sides changed {named(merged.conflicts)}.", file=sys.stderr)
    print(
        "Choose in params.yaml, then run 'ensembl-annotations merge'."
        if is_lock
        else "Choose between the lines that are marked there.",
        file=sys.stderr,
    )
    return _CONFLICT


def named(keys: list[tuple[str, ...]]) -> str:
    """Return the first keys for a message, such as ``ensembl.release, samples.p01``."""
    names = [".".join(key).rstrip(".") or "its last lines" for key in keys[:_MOST]]
    more = f" and {len(keys) - _MOST} more" if keys[_MOST:] else ""
    return _printable(f"{', '.join(names)}{more}")


def _printable(text: str) -> str:
    """Return a text on one line without what a terminal may obey: somebody else wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def _replace(path: Path, text: str) -> None:
    """Replace a file as a whole: one that is cut short would lose lines."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
