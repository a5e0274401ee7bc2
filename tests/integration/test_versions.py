"""A change of content raises its version, which makes the stage stale; code alone does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from tests.support.pinned import (
    COMMAND,
    VERSIONS,
    Pins,
    make_pins,
    read_pins,
    unversioned_changes,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pins]:
    folder = tmp_path_factory.mktemp("pinned")
    return folder, make_pins(folder)


def test_content_changes_with_its_version_only(made: tuple[Path, Pins]) -> None:
    pinned = read_pins()
    told = unversioned_changes(pinned, made[1])
    assert not told, "\n".join(told)
    assert made[1] == pinned, f"A version was raised: pin what is made now by '{COMMAND}'."


def test_what_is_pinned_holds_every_oddity(made: tuple[Path, Pins]) -> None:
    """Each reason, and each other count, occurs: what is not there can change unseen."""
    figures = json.loads((made[0] / "odd" / "annotated" / "metrics.json").read_bytes())
    # Of a run on some chromosomes.
    del figures["num_not_requested"]
    assert not [name for name, value in figures.items() if not value]
    package = json.loads((made[0] / "odd" / "store" / "datapackage.json").read_bytes())
    assert package["quarantine"]["rows"]
    assert package["num_unnamed_entries"]
    assert package["num_ref_differs"]
    assert {item["role"] for item in package["resources"]} == {"alleles", "sequence"}
    tally = json.loads((made[0] / "odd" / "annotated" / "tally.json").read_bytes())
    assert set(tally["cube"]["kind"]) == {
        "SNV", "MNV", "insertion", "deletion", "indel", "not a sequence",
    }  # fmt: skip
    for part in ("certain", "uncertain"):
        assert tally[part]["listed"]
        assert tally[part]["num_filtered"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_change_says_which_version_to_raise(version: str) -> None:
    pinned = read_pins()
    changed = copy.deepcopy(pinned)
    part = [name for name in pinned[version] if name != "version"][-1]
    changed[version][part] = "another"
    (told,) = unversioned_changes(pinned, changed)
    assert f"({part})" in told
    assert f"raise {version} in src/ensembl_annotations/versions.py" in told
    assert COMMAND in told
    # A part that is gone, or new, is a change too.
    del changed[version][part]
    assert unversioned_changes(pinned, changed)
    assert unversioned_changes(changed, pinned)
    # What follows is made again because of it: its own version need not be raised.
    changed = {name: {**parts, part: "another"} for name, parts in pinned.items()}
    for name in [*VERSIONS][: [*VERSIONS].index(version)]:
        changed[name] = pinned[name]
    assert len(unversioned_changes(pinned, changed)) == 1
    changed[version]["version"] += 1
    assert unversioned_changes(pinned, changed) == []
