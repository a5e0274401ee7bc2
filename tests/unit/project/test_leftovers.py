"""Where every command looks for what a killed run left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ensembl_annotations.project.leftovers import (
    folder_of_share,
    output_folders,
    remove_left_shares,
)
from ensembl_annotations.project.paths import WRITTEN


def test_outside_a_project_it_is_the_folder(tmp_path: Path) -> None:
    assert list(output_folders(tmp_path)) == [tmp_path]


def test_in_a_project_it_is_every_folder_that_is_written_to(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    inside = tmp_path / "docs" / "a"
    inside.mkdir(parents=True)
    written = tmp_path / next(iter(WRITTEN)) / "deep" / "er"
    written.mkdir(parents=True)
    found = list(output_folders(inside))
    assert found[:2] == [inside, tmp_path]
    assert {written, written.parent} <= set(found)
    assert tmp_path / "docs" not in found


def test_results_of_a_killed_share_are_removed_and_those_of_a_living_one_stay(
    tmp_path: Path,
) -> None:
    shares = tmp_path / ".dvc" / "tmp"
    shares.parent.mkdir()
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from ensembl_annotations.project.leftovers import folder_of_share\n"
        "with folder_of_share(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'p1').mkdir()\n    (folder / 'p1/annotated.parquet').touch()\n"
        "    print('written', flush=True)\n    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        remove_left_shares(tmp_path)
        assert [path.name for path in shares.glob("shard-*/p1/*")] == ["annotated.parquet"]
        process.kill()
    with folder_of_share(tmp_path) as folder:
        assert [*shares.iterdir()] == [folder]
    assert [*shares.iterdir()] == []
