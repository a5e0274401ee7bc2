"""What an entry of ``params.yaml`` holds, and all that can be wrong with a folder or a sheet."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest

from ensembl_annotations.common.errors import UsageError
from ensembl_annotations.project.entry import check_sheet, ignored_note, is_many, read_entry


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def problems(root: Path, path: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        read_entry(root, path)
    return caught.value.message.splitlines()


def test_a_path_says_what_an_entry_is(tmp_path: Path) -> None:
    touch(tmp_path, "vcfs/a.vcf", "me.vcf.gz")
    (tmp_path / "s.CSV").write_text("sample,vcf\nb,me.vcf.gz\n")
    one, folder, sheet = (read_entry(tmp_path, path) for path in ("me.vcf.gz", "vcfs", "s.CSV"))
    assert (one.is_many, folder.is_many, sheet.is_many) == (False, True, True)
    assert [is_many(tmp_path, path) for path in ("me.vcf.gz", "vcfs", "s.CSV")] == [
        False,
        True,
        True,
    ]
    assert [(item.sample, item.vcf) for item in folder.vcfs] == [("a", Path("vcfs/a.vcf"))]
    assert [(item.sample, item.vcf) for item in sheet.vcfs] == [("b", Path("me.vcf.gz"))]
    # That it is missing DVC says, or the one who opens it.
    assert read_entry(tmp_path, "nothing.vcf").vcfs[0].vcf == Path("nothing.vcf")


def test_a_folder_has_samples_by_the_names_of_files(tmp_path: Path) -> None:
    touch(tmp_path, *(f"v/{name}" for name in ("c.vcf.gz", "a.VCF", "b.bcf", "d.vcf.bgz")))
    touch(tmp_path, "v/c.vcf.gz.csi", "v/c.vcf.gz.tbi", "v/.x.vcf", "v/notes.txt", "v/more/e.vcf")
    found = read_entry(tmp_path, "v")
    assert [item.sample for item in found.vcfs] == ["a", "b", "c", "d"]
    assert found.ignored == ["more", "notes.txt"]
    assert str(ignored_note(found)).endswith("(.vcf.gz, .vcf.bgz, .vcf, .bcf): more, notes.txt")


def test_a_sheet_as_programs_for_spreadsheets_write_it(tmp_path: Path) -> None:
    touch(tmp_path, "v/one, two.vcf", "v/b.vcf", "c.vcf")
    (tmp_path / "v/s.csv").write_bytes(
        b'\xef\xbb\xbf note , sample, vcf \r\n"x, ""y""\r\nz", a1 ,"one, two.vcf"\r\n\r\n,b1, ./b.vcf \r\n'
        b"z,c1,../c.vcf\r\n,,\r\n , ,\r\n"
    )
    found = [
        (item.sample, str(item.vcf), item.where) for item in read_entry(tmp_path, "v/s.csv").vcfs
    ]
    assert found == [
        ("a1", "v/one, two.vcf", "line 3"),
        ("b1", "v/b.vcf", "line 5"),
        ("c1", "c.vcf", "line 6"),
    ]
    (tmp_path / "v/s.csv").write_text("sample,vcf\n,\n")
    assert problems(tmp_path, "v/s.csv") == ["v/s.csv: holds no sample."]
    # Where numbers have commas.
    (tmp_path / "v/s.csv").write_bytes(
        b"\xef\xbb\xbfsample;note;vcf\r\na1;1,5;one, two.vcf\r\n;;\r\n"
    )
    assert [str(item.vcf) for item in read_entry(tmp_path, "v/s.csv").vcfs] == ["v/one, two.vcf"]


def test_all_that_is_wrong_with_a_folder_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "v/a.vcf", "v/A.vcf.gz", "v/b c.vcf", "v/d.1.vcf")
    (tmp_path / "v/e.vcf").symlink_to(tmp_path / "v/a.vcf")
    (tmp_path / "v/f.vcf").symlink_to(tmp_path / "nothing")
    name = "expected a sample's name of letters, digits, - and _, a letter or digit first, 200 at most; found"
    assert problems(tmp_path, "v") == [
        "v: a.vcf: sample a is A.vcf.gz too, as A.",
        f"v: b c.vcf: {name} 'b c'.",
        f"v: d.1.vcf: {name} 'd.1'.",
        "v: e.vcf: v/e.vcf is the VCF of a.vcf too.",
        "v: f.vcf: v/f.vcf: no such file; expected a VCF.",
    ]
    touch(tmp_path, "none/notes.txt")
    assert problems(tmp_path, "none")[0].startswith("none: holds no VCF")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: expected the columns sample,vcf; found ''"),
        ("sample\tvcf\na\tb\n", "line 1: expected the columns sample,vcf; found 'sample\\\\tvcf'"),
        ("sample,vcf,vcf\na,v.vcf,v.vcf\n", "line 1: expected the columns"),
        ("sample,vcf\n", "holds no sample"),
        (
            'sample,vcf\n"a,b.vcf\n',
            "line 2: is no CSV (unexpected end of data); is a quotation mark left open",
        ),
        ("sample,vcf\na\n", "line 2: expected sample,vcf; found no vcf"),
        ("sample,vcf\n../a,v.vcf\n", "line 2: expected a sample's name"),
        ("sample,vcf\na,folder\n", "line 2: folder: is no file; expected a VCF"),
        (f"sample,vcf\na,{'long' * 99}.vcf\n", "line 2: "),
        (
            "sample,vcf\na,v.vcf/b.vcf\n",
            "line 2: v.vcf/b.vcf: can't be looked at (Not a directory)",
        ),
        (f"sample,vcf\n{'a' * 201},v.vcf\n", "line 2: expected a sample's name"),
        ("sample,vcf\n\na,x.vcf\nb,y.vcf\n", "line 3: x.vcf: no such file; expected a VCF"),
    ],
)
def test_a_sheet_that_is_wrong(text: str, problem: str, tmp_path: Path) -> None:
    touch(tmp_path, "v.vcf", "folder/x")
    (tmp_path / "s.csv").write_text(text)
    assert problems(tmp_path, "s.csv")[0].startswith(f"s.csv: {problem}")


def test_a_sheet_that_is_no_text_or_is_not_there(tmp_path: Path) -> None:
    for text, where in (
        (b"sample,vcf\n\xff,x\n", "line 2"),
        ("sample,vcf\n".encode("utf-16"), "line 1"),
    ):
        (tmp_path / "s.csv").write_bytes(text)
        assert problems(tmp_path, "s.csv") == [f"s.csv: {where}: is no text in UTF-8 (byte 0xff)."]
    assert "no such file" in problems(tmp_path, "t.csv")[0]
    touch(tmp_path, "folder.csv/a.vcf")
    assert "can't be read (Is a directory)" in problems(tmp_path, "folder.csv")[0]


def test_of_much_that_is_wrong_the_first_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "sample,vcf\n" + "".join(f"s{i},{i}.vcf\n" for i in range(3000))
    )
    told = problems(tmp_path, "s.csv")
    assert len(told) == 21
    assert told[-1] == "s.csv: 2980 more like these."


def test_names_of_files_are_told_on_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "v/a\nError: b.vcf")
    (told,) = problems(tmp_path, "v")
    assert "v: a\\nError: b.vcf: expected a sample's name" in told


@pytest.mark.parametrize("name", ["trial.csv", "a [*] b.csv", "data/x/trial.csv"])
def test_a_sheet_that_git_would_take_is_warned_of(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sheet = tmp_path / name
    # Another that a pattern of that name would find.
    touch(tmp_path, name, "a b b.csv", "other.csv")

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    git("add", "a b b.csv")
    with caplog.at_level(logging.WARNING):
        check_sheet(tmp_path, name)
    (told,) = caplog.messages
    assert told.startswith(f"{name}: git does not ignore this sheet, which names people's samples")
    # What it says to write is what git takes.
    line, file = told.split("Write the line ")[1].split(", or move")[0].split(" into ")
    assert file == str(Path(name).parent / ".gitignore")
    (tmp_path / file).write_text(f"{line}\n")
    caplog.clear()
    check_sheet(tmp_path, name)
    check_sheet(tmp_path, "nothing.csv")
    check_sheet(tmp_path, "other.vcf")
    assert caplog.messages == []
    git("add", "-A")
    assert name not in git("ls-files", "-z").split("\0")
    assert "other.csv" in git("ls-files", "-z").split("\0")
    # One that git has is refused, ignored or not.
    git("--literal-pathspecs", "add", "--force", name)
    with pytest.raises(UsageError, match="git has this sheet"):
        check_sheet(tmp_path, name)
    # Through a link as well.
    (tmp_path / "link.csv").symlink_to(sheet)
    (tmp_path / ".git/info/exclude").write_text("link.csv\n")
    with pytest.raises(UsageError, match=r"link\.csv: git has this sheet"):
        check_sheet(tmp_path, "link.csv")
    # Outside of any repository git has no say.
    outside = tmp_path.parent / "outside"
    touch(outside, "trial.csv")
    check_sheet(tmp_path, str(outside / "trial.csv"))
    assert caplog.messages == []
