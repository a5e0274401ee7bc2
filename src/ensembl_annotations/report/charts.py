"""Charts as SVG, each with a title, a text for who can't see it, and its figures as a table.

Charts are as wide as the page: shapes are stretched, texts keep their size and stand above the shapes. Only a
lineage has a width of its own.

Colours are classes (`page.css`), so that a page can be light, dark or printed; a chart that is a file of
its own gets a light style.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from ensembl_annotations.report.page import THOUSANDS, visible

_BAR, _ROW, _TEXT = 300, 34, 15
_FILE_WIDTH = 640
_MOST_LABEL = 28
_STYLE = "<style>text{font:12px sans-serif;fill:#222}.k{fill:#1f6f8b}.n{fill:#d1843a}.o{fill:#8a949a}.axis{stroke:#999}</style>"


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes
    ----------
    id : str
        Unique in a page.
    title, text : str
        What it is, and what it shows in words.
    svg : str
        The picture.
    header : sequence of str
        The table's columns.
    rows : sequence of sequence of str
        The table's cells.
    legend : sequence of (str, str)
        Colour class and what it stands for.
    """

    id: str
    title: str
    text: str
    svg: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: Sequence[tuple[str, str]] = ()

    def file(self) -> str:
        """Return the picture as a file of its own."""
        begin, end = self.svg.split(">", 1)
        height = _height(begin)
        if "viewBox" not in begin:
            begin = begin.replace(
                'width="100%"', f'viewBox="0 0 {_FILE_WIDTH} {height}" width="{_FILE_WIDTH}"'
            )
        key = "; ".join(f"{_COLOURS[name]}: {what}" for name, what in self.legend)
        note = f"{self.title}{f' ({key})' if key else ''}"
        grown = begin.replace(f'height="{height}"', f'height="{height + 30}"').replace(
            f' {height}"', f' {height + 30}"'
        )
        return (
            f'{grown} xmlns="http://www.w3.org/2000/svg">{_STYLE}'
            f'<rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="4" y="18">{_escape(note)}</text><g transform="translate(0 30)">'
            f"{end.removesuffix('</svg>')}</g></svg>\n"
        )


_COLOURS = {"k": "blue", "n": "orange", "o": "grey"}


def _height(begin: str) -> int:
    return int(begin.split('height="')[1].split('"', maxsplit=1)[0])


def number(value: float) -> str:
    """Return a count with thousands separated by a narrow space that does not break."""
    return f"{value:,}".replace(",", THOUSANDS)


def _escape(text: str) -> str:
    return escape(visible(text))


def _cut(name: str) -> str:
    name = visible(name)
    return name if len(name) <= _MOST_LABEL else f"{name[: _MOST_LABEL - 1]}…"


def _open(id: str, title: str, text: str, height: int, width: int | None = None) -> str:
    size = 'width="100%"' if width is None else f'viewBox="0 0 {width} {height}" width="{width}"'
    return (
        f'<svg role="img" aria-labelledby="{id}-t {id}-d" {size} height="{height}">'
        f'<title id="{id}-t">{_escape(title)}</title><desc id="{id}-d">{_escape(text)}</desc>'
    )


def _stretched(shapes: Iterable[str], y: float, width: float, height: float) -> str:
    """Return shapes of this width as wide as the chart is."""
    return (
        f'<svg y="{y:g}" width="100%" height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
        f'preserveAspectRatio="none">{"".join(shapes)}</svg>'
    )


def _texts(left: str, right: str, y: float) -> str:
    return (
        f'<text y="{y:g}">{_escape(left)}</text>'
        f'<text x="100%" y="{y:g}" text-anchor="end">{_escape(right)}</text>'
    )


def bars(
    id: str,
    title: str,
    text: str,
    rows: Sequence[tuple[str, Sequence[int]]],
    parts: Sequence[tuple[str, str]] = (("k", "count"),),
    what: str = "",
) -> Chart:
    """Return horizontal bars of one or more parts, one row each, from zero.

    Parameters
    ----------
    id, title, text : str
        As in `Chart`.
    rows : sequence of (str, sequence of int)
        Label, and the size of each part.
    parts : sequence of (str, str)
        Colour class and name of each part.
    what : str
        Heading of the labels' column.
    """
    longest = max((sum(sizes) for _, sizes in rows), default=0) or 1
    lines = []
    for place, (name, sizes) in enumerate(rows):
        shapes, x = [], 0.0
        for (colour, part), size in zip(parts, sizes, strict=True):
            width = _BAR * size / longest
            if size:
                width = max(width, 1.0)
                shapes.append(
                    f'<rect class="{colour}" x="{x:.1f}" width="{width:.1f}" height="{_TEXT - 4}">'
                    f"<title>{_escape(f'{name}: {number(size)} {part}')}</title></rect>"
                )
            x += width
        total = " + ".join(number(size) for size in sizes if size) or "0"
        y = place * _ROW + _TEXT
        lines.append(_texts(_cut(name), total, y - 2))
        lines.append(_stretched(shapes, y + 2, _BAR, _TEXT - 4))
    svg = _open(id, title, text, len(rows) * _ROW + 4)
    table = [[name, *(number(size) for size in sizes)] for name, sizes in rows]
    return Chart(
        id,
        title,
        text,
        f"{svg}{''.join(lines)}</svg>",
        (what, *(name for _, name in parts)),
        table,
        parts if len(parts) > 1 else (),
    )


def strips(
    id: str,
    title: str,
    text: str,
    rows: Sequence[tuple[str, int, Sequence[tuple[int, int, int]]]],
    parts: Sequence[tuple[str, str]],
) -> Chart:
    """Return counts along sequences: one strip each, the first part above its line, the second below.

    Parameters
    ----------
    rows : sequence of (str, int, sequence of (int, int, int))
        Name, number of windows, and (window, first part, second part) of those that have any.
    """
    height, width = 26, 540
    middle = height / 2
    longest = max((count for _, count, _ in rows), default=1) or 1
    highest = max((max(a, b) for _, _, cells in rows for _, a, b in cells), default=1) or 1
    step = width / longest
    lines, table = [], []
    for place, (name, count, cells) in enumerate(rows):
        shapes = [f'<path class="axis" d="M0 {middle:g}h{count * step:.1f}"/>']
        for side, sign in ((0, -1), (1, 1)):
            path = _outline(cells, side, sign * (height / 2 - 2) / highest, step, middle)
            if path:
                shapes.append(f'<path class="{parts[side][0]}" d="{path}"/>')
        first, second = (number(sum(cell[side] for cell in cells)) for side in (1, 2))
        table.append([name, first, second])
        y = place * (height + _TEXT)
        lines.append(_texts(_cut(name), f"{first} + {second}", y + _TEXT - 3))
        lines.append(_stretched(shapes, y + _TEXT, width, height))
    svg = _open(id, title, text, len(rows) * (height + _TEXT) + 4)
    header = ("contig", *(name for _, name in parts))
    return Chart(id, title, text, f"{svg}{''.join(lines)}</svg>", header, table, parts)


def _outline(
    cells: Sequence[tuple[int, int, int]],
    side: int,
    scale: float,
    step: float,
    middle: float,
) -> str:
    """Return the filled outline of one side of a strip."""
    sizes = [(cell[0], cell[1 + side]) for cell in cells if cell[1 + side]]
    path = []
    for place, (window, size) in enumerate(sizes):
        if place == 0 or sizes[place - 1][0] != window - 1:
            path.append(f"M{window * step:.1f} {middle:g}")
        path.append(f"V{middle + size * scale:.1f}h{step:.2f}")
        if place + 1 == len(sizes) or sizes[place + 1][0] != window + 1:
            path.append(f"V{middle:g}z")
    return "".join(path)


def line(
    id: str, title: str, text: str, points: Sequence[tuple[str, float, str]], what: str
) -> Chart:
    """Return one value over a sequence of named points, from zero.

    Parameters
    ----------
    points : sequence of (str, float, str)
        Name, value, and the value as text.
    """
    width, height, radius = 560, 120, 4
    highest = max((value for _, value, _ in points), default=0) or 1
    step = width / max(len(points) - 1, 1)
    places = [
        (place * step, radius + height * (1 - value / highest))
        for place, (_, value, _) in enumerate(points)
    ]
    below = height + 2 * radius
    shapes = [f'<path class="axis" d="M0 {height + radius}h{width}"/>']
    shapes += [
        f'<path class="line" d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>'
        for (x, y), (to_x, to_y) in pairwise(places)
    ]
    lines = [_stretched(shapes, _TEXT, width, below)]
    for (x, y), (name, _, value) in zip(places, points, strict=True):
        # Not stretched: circles stay round.
        lines.append(
            f'<circle class="k" cx="{100 * x / width:.2f}%" cy="{_TEXT + y:.1f}" r="{radius}">'
            f"<title>{_escape(f'{name}: {value}')}</title></circle>"
        )
    if points:
        last = points[-1][2] if len(points) > 1 else ""
        lines.append(_texts(points[0][2], last, _TEXT - 3))
    svg = _open(id, title, text, _TEXT + below)
    table = [[name, value] for name, _, value in points]
    return Chart(id, title, text, f"{svg}{''.join(lines)}</svg>", ("commit", what), table)


@dataclass(frozen=True)
class Node:
    """A box of a lineage: what it is, more about it, its column from the left, and where it leads."""

    name: str
    note: str
    column: int
    link: str = ""


def lineage(
    id: str, title: str, text: str, nodes: Sequence[Node], edges: Sequence[tuple[int, int]]
) -> Chart:
    """Return boxes in columns, and arrows from what something is made from to it."""
    width, height, gap_x, gap_y = 210, 44, 50, 14
    filled: dict[int, int] = {}
    places = []
    for node in nodes:
        row = filled.get(node.column, 0)
        filled[node.column] = row + 1
        places.append((node.column * (width + gap_x) + 1, row * (height + gap_y) + 1))
    shapes = []
    for source, target in edges:
        x, y = places[source][0] + width, places[source][1] + height / 2
        to_x, to_y = places[target][0], places[target][1] + height / 2
        middle = (x + to_x) / 2
        shapes.append(
            f'<path class="arrow" d="M{x} {y:g}C{middle:g} {y:g} {middle:g} {to_y:g} {to_x} {to_y:g}"/>'
            f'<path class="head" d="M{to_x} {to_y:g}l-7 -4v8z"/>'
        )
    for node, (x, y) in zip(nodes, places, strict=True):
        box = (
            f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>'
            f'<text x="{x + 10}" y="{y + 18}">{_escape(_cut(node.name))}</text>'
            f'<text class="soft" x="{x + 10}" y="{y + 35}">{_escape(_cut(node.note))}</text>'
        )
        shapes.append(f'<a href="{_escape(node.link)}">{box}</a>' if node.link else box)
    columns, rows = max(filled, default=0) + 1, max(filled.values(), default=1)
    svg = _open(
        id, title, text, rows * (height + gap_y) - gap_y + 2, columns * (width + gap_x) - gap_x + 2
    )
    made_of = [
        [node.name, ", ".join(nodes[a].name for a, b in edges if b == place) or "–", node.note]
        for place, node in enumerate(nodes)
    ]
    return Chart(
        id, title, text, f"{svg}{''.join(shapes)}</svg>", ("what", "made from", "state"), made_of
    )
