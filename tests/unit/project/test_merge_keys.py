"""Merge YAML files key by key: values against a merge of dictionaries, and the text as it was written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ensembl_annotations.project.merge_keys import (
    LOCK_DEPTH,
    NotByKeyError,
    main,
    merge_keys,
    named,
    read_keys,
)

ROOT = Path(__file__).parents[3]
PARAMS = (ROOT / "params.yaml").read_text("utf-8")
A, B = "  a: {vcf: data/vcf/a.vcf.gz}   # mine\n", "  # later\n  b:\n    vcf: data/vcf/b.vcf.gz\n"


def values(text: str) -> Any:
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize("name", ["params.yaml", "dvc.lock", "dvc.yaml", ".pre-commit-config.yaml"])
@pytest.mark.parametrize("depth", [None, LOCK_DEPTH, 1])
def test_every_line_is_of_a_key(name: str, depth: int | None) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert read_keys(text, depth).whole == text


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        # Both add a sample: ours first, each with its comments.
        (PARAMS, PARAMS + A, PARAMS + B, PARAMS + A + B),
        # Without a line feed at the end.
        ("s:\n  x: 1", "s:\n  x: 1\n  a: 2", "s:\n  x: 1\n  b: 3", "s:\n  x: 1\n  a: 2\n  b: 3\n"),
        # The same by both is there once.
        ("s:\n  x: 1\n", "s:\n  x: 1\n" + A, "s:\n  x: 1\n" + A, "s:\n  x: 1\n" + A),
        # Neighbouring lines.
        ("x: 1\ny: 1\n", "x: 2\ny: 1\n", "x: 1\ny: 2\n", "x: 2\ny: 2\n"),
        # One removes, the other adds; the comment of what is removed goes with it.
        ("s:\n  # of x\n  x: 1\n  y: 1\n", "s:\n  y: 1\n", "s:\n  # of x\n  x: 1\n  y: 1\n  z: 1\n", "s:\n  y: 1\n  z: 1\n"),
        # Theirs is put before what follows it there.
        ("s:\n  x: 1\n", "s:\n  x: 1\n  y: 1\n", "s:\n  w: 1\n  x: 1\n", "s:\n  w: 1\n  x: 1\n  y: 1\n"),
        # From none on.
        ("s: {}   # none\n", "s:   # some\n  a: 1\n", "s:   # some\n  b: 1\n", "s:   # some\n  a: 1\n  b: 1\n"),
        # A file that neither had.
        ("", "x: 1\n", "y: 1\n", "x: 1\ny: 1\n"),
        # Text with number signs and empty lines in it.
        ("x: |\n  # 1\n\n  2\ny: 1\n", "x: |\n  # 1\n\n  3\ny: 1\n", "x: |\n  # 1\n\n  2\ny: 2\n", "x: |\n  # 1\n\n  3\ny: 2\n"),
        # Comments at the end, and a document's start.
        ("---\nx: 1\n# end\n", "---\nx: 2\n# end\n", "---\nx: 1\n# the end\n", "---\nx: 2\n# the end\n"),
    ],
)  # fmt: skip
def test_what_one_side_changed_is_taken(base: str, ours: str, theirs: str, merged: str) -> None:
    found = merge_keys(base, ours, theirs)
    assert (found.conflicts, found.text("ours")) == ([], merged)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "conflict"),
    [
        ("e:\n  r: 1\n", "e:\n  r: 2\n", "e:\n  r: 3\n", ("e", "r")),
        # Both add a name.
        ("s:\n  x: 1\n", "s:\n  x: 1\n  a: {vcf: 1}\n", "s:\n  x: 1\n  a: {vcf: 2}\n", ("s", "a")),
        ("s:\n  x: 1\n", "s:\n  x: 1\n  a:\n    vcf: 1\n", "s:\n  x: 1\n  a:\n    vcf: 2\n", ("s", "a", "vcf")),
        # One removes what the other changes.
        ("s:\n  x: 1\n  y: 1\n", "s:\n  y: 1\n", "s:\n  x: 2\n  y: 1\n", ("s", "x")),
        # A comment counts: somebody wrote it.
        ("x: 1  # a\n", "x: 2  # a\n", "x: 1  # b\n", ("x",)),
        # Keys on one line.
        ("s: {x: 1}\n", "s: {x: 1, a: 1}\n", "s: {x: 1, b: 1}\n", ("s",)),
        # A key of another column would be the child of the one above.
        ("s:\n", "s:\n  a:\n    v: 1\n", "s:\n    b: 1\n", ("s",)),
        # One removes all.
        ("s:\n  x: 1\n", "s: {}\n", "s:\n  x: 1\n  y: 1\n", ("s",)),
        # A value of another kind.
        ("s:\n  x: {v: 1}\n", "s:\n  x:\n    v: 1\n", "s:\n  x: {v: 2}\n", ("s", "x")),
    ],
)  # fmt: skip
def test_what_both_changed_is_a_conflict(
    base: str, ours: str, theirs: str, conflict: tuple[str, ...]
) -> None:
    found = merge_keys(base, ours, theirs)
    assert found.conflicts == [conflict]
    assert [values(found.text(side)) for side in ("ours", "theirs")] == [
        values(ours),
        values(theirs),
    ]


@pytest.mark.parametrize(
    "text",
    ["- 1\n", "{x: 1}\n", "x: [\n", "x: 1\nx: 2\n", "<<<<<<< ours\nx: 1\n", "x: 1\ry: 1\n", "x: *a\n"],
)  # fmt: skip
def test_what_has_no_keys_is_left_to_git(text: str) -> None:
    with pytest.raises(NotByKeyError):
        merge_keys("x: 1\n", "x: 1\n", text)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "problem"),
    [
        # Whose VCF is that of c?
        ("a: &x {v: A}\nb: {v: B}\n", "a: &x {v: A}\nb: {v: B}\nc: *x\n", "a: {v: A}\nb: &x {v: B}\n", "anchor or alias, 'x' in line 1"),
        ("x: &a 1\ny: 1\n", "y: 1\n", "x: &a 1\ny: 1\nz: *a\n", "anchor or alias"),
        ("a: 1\n", "a: 1\nb:\n  <<: {v: 1}\n", "a: 1\nc: 1\n", "a key '<<' in line 3"),
        # By YAML 1.1, no is false.
        ("a: no\n", "%YAML 1.1\n---\na: no\n", "a: no\nb: no\n", "directive"),
        # What looks like a comment before y is the end of the text x.
        ("x: |\n  1\n  # 2\ny: 1\n", "x: |\n  1\n  # 3\ny: 1\n", "x: |\n  1\n  # 2\n\ny: 1\n", "neither side wrote"),
        ("x: " + "{a: " * 2000 + "1" + "}" * 2000 + "\n", "x: 1\n", "y: 1\n", "deep|valid YAML"),
    ],
)  # fmt: skip
def test_what_lines_mean_elsewhere_is_left_to_git(
    base: str, ours: str, theirs: str, problem: str
) -> None:
    with pytest.raises(NotByKeyError, match=problem):
        merge_keys(base, ours, theirs)


SCALARS = st.sampled_from(
    ["1", "'1'", "!!str 1", "{v: 1}", "[1, 2]", "|\n    t\n", "|\n    # t\n\n", "null", "{}"]
)
TRICKY = st.lists(st.tuples(st.sampled_from("abc"), SCALARS, st.sampled_from(["", "  # of it\n", "\n"])), max_size=3, unique_by=lambda key: key[0])  # fmt: skip


@given(st.tuples(TRICKY, TRICKY, TRICKY))
def test_however_it_is_written_a_key_means_what_one_side_wrote(sides: Any) -> None:
    texts = [
        "s:\n  k: 1\n" + "".join(f"{lead}  {key}: {value}\n" for key, value, lead in side)
        for side in sides
    ]
    try:
        found = merge_keys(*texts)
    except NotByKeyError:
        return
    base, ours, theirs = (values(text)["s"] for text in texts)
    merged = values(found.text("ours"))["s"]
    if not found.conflicts:
        for key in "abc":
            sides_of_key = [side.get(key, ...) for side in (base, ours, theirs)]
            # Their loader tells nothing from an empty mapping.
            old, mine, other = (None if value == {} else value for value in sides_of_key)
            wanted = other if mine == old else mine
            assert (merged.get(key, ...) or None) == (wanted or None)


SECTION = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2))
FILE = st.fixed_dictionaries({"s": SECTION, "t": SECTION})


def written(content: dict[str, dict[str, int]]) -> str:
    lines = []
    for section, keys in content.items():
        lines.append(f"{section}:" if keys else f"{section}: {{}}")
        for key, value in keys.items():
            lines += [f"  # on {key}", "", f"  {key}: {value}   # {value}"]
    return "".join(f"{line}\n" for line in lines)


@given(FILE, FILE, FILE)
def test_values_are_those_of_a_merge_of_dictionaries(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    expected: dict[str, dict[str, int]] = {}
    conflicts = set()
    for section in ("s", "t"):
        expected[section] = {}
        for key in "abcdef":
            old, mine, other = (side[section].get(key) for side in (base, ours, theirs))
            if old != mine != other != old:
                conflicts.add((section, key))
            value = other if mine == old else mine
            if value is not None:
                expected[section][key] = value
    found = merge_keys(written(base), written(ours), written(theirs))
    # A section is written otherwise where it is empty: that is a change of its line.
    lines = {key for key in found.conflicts if len(key) == 1}
    assert set(found.conflicts) - lines == {key for key in conflicts if key[:1] not in lines}
    if not found.conflicts:
        read = {section: keys or {} for section, keys in values(found.text("ours")).items()}
        assert read == expected


def files(folder: Path, *texts: str) -> list[str]:
    paths = [folder / side for side in ("base", "ours", "theirs")]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8")
    return [str(path) for path in paths]


def test_the_driver_marks_only_what_both_changed(tmp_path: Path) -> None:
    ours = PARAMS.replace("release: 116", "release: 117") + A
    theirs = PARAMS.replace("release: 116", "release: 115") + B
    base_file, ours_file, theirs_file = files(tmp_path, PARAMS, ours, theirs)
    assert main(base_file, ours_file, theirs_file, "params.yaml", "9") == 3
    marked, inside = [], False
    text = Path(ours_file).read_text("utf-8")
    for line in io.StringIO(text):
        inside = (inside or line.startswith("<" * 9)) and not line.startswith(">" * 9)
        if inside and not line.startswith(("<" * 9, "=" * 9)):
            marked.append(line.split("#")[0].strip())
    assert marked == ["release: 117", "release: 115"]
    assert text.endswith(A + B)


def test_an_entry_of_a_lock_is_marked_as_a_whole(tmp_path: Path) -> None:
    """Each side changed another line of it: a mixture would be of a run that nobody made."""
    entry = "stages:\n  a:\n    cmd: a\n    md5: 1\n    params: 1\n  b:\n    md5: 1\n"
    ours, theirs = (
        entry.replace("md5: 1\n    p", "md5: 2\n    p"),
        entry.replace("params: 1", "params: 2"),
    )
    names = files(tmp_path, entry, ours, theirs)
    assert main(*names, "dvc.lock") == 3
    before, _, rest = Path(names[1]).read_text("utf-8").partition("<<<<<<< ours\n")
    mine, _, rest = rest.partition("=======\n")
    other, _, after = rest.partition(">>>>>>> theirs\n")
    assert (before + mine + after, before + other + after) == (ours, theirs)
    assert mine.startswith("  a:\n")


def test_names_in_a_message_are_few_and_printable() -> None:
    assert named([("s", "\x1b[2Jx")]) == "s.?[2Jx"
    assert named([("s", str(number)) for number in range(12)]).endswith(", s.9 and 2 more")


def test_the_driver_changes_nothing_of_what_it_can_not_read(tmp_path: Path) -> None:
    texts = ("x: 1\n", "x: 2\n", "<<<<<<< HEAD\nx: 1\n")
    names = files(tmp_path, *texts)
    assert main(*names, "params.yaml") == 1
    assert tuple(Path(name).read_text("utf-8") for name in names) == texts
    assert len(list(tmp_path.iterdir())) == 3
