"""Charts: what is drawn is what the table says, and every text is escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from ensembl_annotations.report.charts import Chart, Node, bars, line, lineage, number, strips

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<b>&"x"\x1b[31m\u202e\x07\ufffe'
PARTS = (("k", "known"), ("n", "new"))


def drawn(chart: Chart) -> ElementTree.Element:
    """Return the picture as a file of its own, which must be well-formed."""
    return ElementTree.fromstring(chart.file())


def test_bars_are_as_long_as_their_numbers() -> None:
    chart = bars("b", "Title", "Text", [("a", [30, 10]), ("b", [0, 20]), ("c", [0, 0])], PARTS)
    boxes = [box for box in drawn(chart).iter(f"{SVG}rect") if box.get("class")]
    assert [box.get("class") for box in boxes] == ["k", "n", "n"]
    widths = [float(box.get("width", "")) for box in boxes]
    assert widths == pytest.approx([225, 75, 150])
    assert float(boxes[1].get("x", "")) == pytest.approx(float(boxes[0].get("x", "")) + 225)
    assert chart.rows == [["a", "30", "10"], ["b", "0", "20"], ["c", "0", "0"]]
    assert chart.legend == PARTS


def test_what_is_there_is_seen_however_little_it_is() -> None:
    chart = bars("b", "t", "x", [("much", [10**9]), ("one", [1])])
    boxes = [box for box in drawn(chart).iter(f"{SVG}rect") if box.get("class")]
    assert [float(box.get("width", "")) for box in boxes] == [300.0, 1.0]
    assert chart.rows[0] == ["much", "1\u202f000\u202f000\u202f000"]
    assert chart.legend == ()


@pytest.mark.parametrize(
    "chart",
    [
        bars("i", NASTY, NASTY, [(NASTY, [1])]),
        strips("i", NASTY, NASTY, [(NASTY, 3, [(0, 1, 2)])], PARTS),
        line("i", NASTY, NASTY, [(NASTY, 1.0, NASTY), (NASTY, 2.0, NASTY)], NASTY),
        lineage("i", NASTY, NASTY, [Node(NASTY, NASTY, 0, NASTY), Node("b", "", 1)], [(0, 1)]),
    ],
    ids=["bars", "strips", "line", "lineage"],
)
def test_texts_are_texts(chart: Chart) -> None:
    picture = drawn(chart)
    assert not list(picture.iter(f"{SVG}b"))
    texts = [element.text for element in picture.iter() if element.text]
    shown = '<b>&"x"\\u001b[31m\\u202e\\u0007\\ufffe'
    assert shown in texts
    # Who can't see it is read title and description.
    ids = {element.get("id"): element.text for element in picture.iter() if element.get("id")}
    assert [ids[name] for name in picture.get("aria-labelledby", "").split()] == [shown, shown]


def test_strips_go_up_and_down_from_their_line() -> None:
    chart = strips("s", "t", "x", [("chr1", 10, [(0, 4, 0), (1, 2, 1), (5, 0, 4)])], PARTS)
    paths = {path.get("class"): path.get("d", "") for path in drawn(chart).iter(f"{SVG}path")}
    middle = float(re.findall(r"M[\d.]+ ([\d.]+)h", paths["axis"])[0])
    up, down = (
        [float(y) for y in re.findall(r"V([\d.]+)h", paths[colour])] for colour in ("k", "n")
    )
    assert up == [middle - 11, middle - 5.5]
    assert down == [middle + 2.8, middle + 11] or down == [middle + 2.7, middle + 11]
    # Windows that do not touch are outlines of their own.
    assert (paths["k"].count("z"), paths["n"].count("z")) == (1, 2)
    assert chart.rows == [["chr1", "6", "5"]]


@pytest.mark.parametrize(
    "chart",
    [bars("b", "t", "x", []), strips("s", "t", "x", [], PARTS), line("l", "t", "x", [], "w"),
     line("l", "t", "x", [("a", 0.0, "0")], "w")],
)  # fmt: skip
def test_nothing_to_draw_is_no_error(chart: Chart) -> None:
    assert drawn(chart).tag == f"{SVG}svg"


def test_a_file_of_its_own_has_room_for_its_title() -> None:
    chart = bars("b", "Title", "x", [("a", [1, 2])], PARTS)
    inside = ElementTree.fromstring(chart.svg)
    outside = drawn(chart)
    assert int(outside.get("height", "")) == int(inside.get("height", "")) + 30
    assert outside.get("viewBox", "").split()[3] == outside.get("height")
    assert "Title (blue: known; orange: new)" in chart.file()


def test_numbers_do_not_break() -> None:
    assert number(1234567) == "1\u202f234\u202f567"
