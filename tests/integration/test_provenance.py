"""From a file back to what it was made from; `project` is a repository that ran the pipeline."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.annotate import annotate_vcf
from ensembl_annotations.common.errors import EnsemblAnnotationsError, InputError
from ensembl_annotations.project.provenance import Provenance, trace_provenance
from ensembl_annotations.vcf.bgzf import EOF_BLOCK, compress_bgzf
from ensembl_annotations.vcf.header import parse_structured_line, structured_header_line
from ensembl_annotations.versions import ENGINE_VERSION
from tests.integration.helpers import ANNOTATED, SAMPLE_VCF, STORE, Project

VCF, TABLE = f"{ANNOTATED}/annotated.vcf.gz", f"{ANNOTATED}/annotated.parquet"
ASSET = "annotated_vcf@sample"
PULL = (
    ".venv/bin/ensembl-annotations materialize ensembl_annotations  # pulled where it was published"
)


@pytest.fixture
def seen(reproduced: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The session's project as the current folder. Only to be read."""
    monkeypatch.chdir(reproduced.root)
    monkeypatch.setenv("HOME", reproduced.environment["HOME"])
    return reproduced


@pytest.fixture
def changed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of one's own as the current folder."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("HOME", project.environment["HOME"])
    return project


def results(found: Provenance) -> dict[str, str]:
    return {check.name: check.result for check in found.checks}


def reasons(found: Provenance) -> dict[str, str]:
    return {check.name: check.reason for check in found.checks}


ALL_OK = dict.fromkeys(["complete", "reference", "header", "reference files", "dvc.lock"], "ok")


def command(project: Project, *arguments: str | Path, **options: Any) -> Any:
    return subprocess.run(
        ["ensembl-annotations", "provenance", *map(str, arguments)],
        cwd=project.root,
        env={**project.environment, "PYTHONPATH": str(project.root / "src")},
        capture_output=True,
        check=False,
        **options,
    )


# Of the pipeline


@pytest.mark.parametrize(("name", "kind"), [(VCF, "VCF"), (TABLE, "parquet")])
def test_file_of_the_pipeline_is_traced_to_its_commit(seen: Project, name: str, kind: str) -> None:
    found = trace_provenance(name, verify=True)
    metrics = seen.metrics("fetch_ensembl")
    assert found.kind == kind
    assert found.made_from["reference_sha256"] == metrics["reference_sha256"]
    assert {
        name: found.made_from[name] for name in ("release", "species", "assembly", "source")
    } == {
        "release": "116",
        "species": "homo_sapiens",
        "assembly": "GRCh38",
        "source": "mini",
    }
    assert (found.made_from["engine"], found.made_from["site_ids"]) == (str(ENGINE_VERSION), "no")
    assert found.reference_path == STORE
    assert len(found.sources) == 30
    assert all(len(source["sha256"]) == 64 and source["checksum"] for source in found.sources)
    assert found.asset == ASSET
    assert found.commit in seen.git("log", "--format=%h", "--", "dvc.lock").split()
    assert seen.git("show", f"{found.commit}:dvc.lock")
    assert found.commands[:3] == [f"git checkout {found.commit}", "make env", PULL]
    md5 = seen.digests("data/vcf")["sample.vcf.gz"]
    needs = f"# needs {SAMPLE_VCF} with the MD5 {md5}"
    assert found.commands[3:] == [f".venv/bin/dvc repro annotate@sample  {needs}"]
    assert results(found) == ALL_OK
    assert found.notes == []


def test_it_is_the_content_that_is_traced_not_the_name(seen: Project, tmp_path: Path) -> None:
    copy = tmp_path / "renamed"
    shutil.copy(seen.path(VCF), copy)
    found = trace_provenance(copy, verify=True)
    assert (found.asset, results(found)) == (ASSET, ALL_OK)


def test_what_is_not_committed_is_in_the_workspace(changed: Project) -> None:
    changed.set_param("annotate.level", 9)
    changed.repro()
    found = trace_provenance(VCF, verify=True)
    # Anybody can make a dvc.lock fit; one that is committed has been seen by others.
    assert (found.commit, results(found)) == ("workspace", {**ALL_OK, "dvc.lock": "not known"})
    assert "not committed" in reasons(found)["dvc.lock"]
    assert found.commands[:2] == ["make env", PULL]
    changed.commit()
    assert results(trace_provenance(VCF, verify=True)) == ALL_OK


@pytest.mark.parametrize("name", [STORE, f"{STORE}/datapackage.json"])
def test_reference_is_traced_to_its_commit(seen: Project, name: str) -> None:
    found = trace_provenance(name, verify=True)
    assert found.kind == "reference store"
    assert found.asset == "ensembl_annotations"
    assert found.reference_commit == found.commit
    assert len(found.sources) == 30
    assert found.commands[-1] == ".venv/bin/dvc repro fetch_ensembl"
    assert results(found) == {"reference files": "ok", "dvc.lock": "ok"}


def test_file_of_a_former_release_names_the_commit(changed: Project, tmp_path: Path) -> None:
    former = tmp_path / "former.vcf.gz"
    shutil.copy(changed.path(VCF), former)
    digest, before = changed.metrics("fetch_ensembl")["reference_sha256"], trace_provenance(VCF)
    changed.set_param("ensembl.release", 115)
    changed.repro()
    changed.commit()
    found = trace_provenance(former, verify=True)
    assert found.made_from["reference_sha256"] == digest
    assert (found.asset, found.commit) == (ASSET, before.commit)
    assert (found.reference_path, found.sources) == (None, [])
    assert found.reference_commit == before.reference_commit
    assert results(found) == {
        "complete": "ok",
        "reference": "not known",
        "header": "not known",
        "reference files": "not known",
        "dvc.lock": "ok",
    }
    # At its former place it is no less what it was.
    shutil.copy(former, changed.path(VCF).with_name("copy"))
    changed.path(VCF).unlink()
    changed.path(VCF).with_name("copy").rename(changed.path(VCF))
    found = trace_provenance(VCF, verify=True)
    assert results(found)["dvc.lock"] == "ok"
    assert "dvc.lock has another now" in reasons(found)["dvc.lock"]


def test_without_the_cache_it_is_not_known(changed: Project) -> None:
    assert trace_provenance(VCF).commit is not None
    shutil.rmtree(changed.path(".dvc/cache"))
    found = trace_provenance(VCF, verify=True)
    assert (found.asset, found.commit) == (None, None)
    # Compared as a whole folder, it still is what dvc.lock names.
    assert results(found) == ALL_OK
    assert "DVC's cache has no list of files" in found.notes[0]


def test_clone_without_data_knows_the_commit_of_the_reference(
    seen: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = seen.clone(tmp_path / "clone")
    monkeypatch.chdir(clone.root)
    found = trace_provenance(seen.path(VCF), verify=True)
    assert found.reference_path is None
    assert found.reference_commit is not None
    assert found.commands == [
        f"git checkout {found.reference_commit}",
        *("make env", PULL, ".venv/bin/dvc repro fetch_ensembl"),
        found.commands[-1],
    ]
    start = f"ensembl-annotations annotate --vcf INPUT.vcf.gz --reference {STORE}"
    assert found.commands[-1].startswith(f"{start} --out-vcf annotated.vcf.gz --chromosomes 1,2,3,")
    assert results(found) == {
        "complete": "ok",
        **dict.fromkeys(["reference", "header", "reference files", "dvc.lock"], "not known"),
    }


def test_outside_a_repository_the_plain_commands_are_given(
    seen: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = trace_provenance(seen.path(TABLE), verify=True)
    fetch, annotate = found.commands
    assert fetch.startswith(
        "ensembl-annotations fetch --base-url BASE_OF_THE_SOURCE --release 116 "
        "--species homo_sapiens --assembly GRCh38 --source mini --chromosomes 1,2,"
    )
    assert fetch.endswith(" --out reference")
    assert " --reference reference --out-parquet annotated.parquet" in annotate
    assert "git can't read a repository here" in found.notes[0]
    assert not found.differs


# Not of the pipeline


def test_options_of_the_command_are_those_of_the_file(seen: Project, tmp_path: Path) -> None:
    vcf, table = tmp_path / "me.bcf", tmp_path / "my table.parquet"
    annotate_vcf(
        Path(SAMPLE_VCF),
        Path(STORE),
        out_vcf=vcf,
        out_parquet=table,
        chromosomes=["21", "X"],
        match="position",
        genotypes=True,
        overwrite_tags=True,
    )
    start = f"ensembl-annotations annotate --vcf INPUT.vcf.gz --reference {STORE} "
    options = "--match position --chromosomes 21,X --overwrite-tags"
    found = trace_provenance(vcf, verify=True)
    assert (found.kind, found.asset) == ("BCF", None)
    assert found.commands == [f"{start}--out-vcf me.bcf {options}"]
    assert (found.made_from["chromosomes"], found.made_from["overwrite_tags"]) == ("21|X", "yes")
    assert results(found) == {**ALL_OK, "dvc.lock": "not known"}
    found = trace_provenance(table)
    assert found.commands == [f"{start}--out-parquet 'my table.parquet' {options} --genotypes"]


def test_plain_text_has_no_end_that_could_be_checked(seen: Project, tmp_path: Path) -> None:
    content = gzip.decompress(seen.path(VCF).read_bytes())
    for path, data in [("a.vcf", content), ("b.vcf.gz", gzip.compress(content))]:
        (tmp_path / path).write_bytes(data)
        found = trace_provenance(tmp_path / path, verify=True)
        assert results(found)["complete"] == "not known"
        assert results(found)["header"] == "ok"


def test_a_name_that_can_not_be_written_is_not_in_the_command(
    seen: Project, tmp_path: Path
) -> None:
    annotate_vcf(SAMPLE_VCF, STORE, out_vcf=tmp_path / "me.vcf.gz", chromosomes="22")
    renamed = (tmp_path / "me.vcf.gz").rename(tmp_path / "result.txt")
    (command,) = trace_provenance(renamed).commands
    assert "--out-vcf annotated.vcf.gz " in command


def test_one_chromosome_alone_is_enough(changed: Project, tmp_path: Path) -> None:
    out = tmp_path / "me.vcf.gz"
    annotate_vcf(Path(SAMPLE_VCF), Path(STORE), out_vcf=out, chromosomes=["22"])
    for path in changed.path(STORE).glob("*.parquet"):
        if "chr22" not in path.name:
            path.unlink()
    found = trace_provenance(out, verify=True)
    assert results(found) == {**ALL_OK, "dvc.lock": "not known"}
    changed.path(f"{STORE}/homo_sapiens-chr22.parquet").unlink()
    assert results(trace_provenance(out, verify=True))["reference files"] == "DIFFERS"


def test_a_damaged_stream_differs(seen: Project) -> None:
    content = bytearray(seen.path(VCF).read_bytes())
    content[-60] ^= 1
    done = command(seen, "-", "--verify", input=bytes(content))
    assert done.returncode == 1
    assert b"complete: DIFFERS (the data are corrupt" in done.stdout


def test_a_reference_of_many_contigs_names_none(changed: Project) -> None:
    content = gzip.decompress(changed.path(VCF).read_bytes())
    many = re.sub(rb'Chromosomes="[^"]+"', b"Chromosomes=all", content)
    assert many != content
    changed.path("many.vcf").write_bytes(many)
    found = trace_provenance("many.vcf", verify=True)
    assert (results(found)["header"], results(found)["reference files"]) == ("ok", "ok")


@pytest.mark.parametrize("kind", ["bgzf", "plain", "cut"])
def test_standard_input_is_read_to_its_end(seen: Project, kind: str) -> None:
    content = seen.path(VCF).read_bytes()
    data = {"bgzf": content, "plain": gzip.decompress(content), "cut": content[:-5]}[kind]
    done = command(seen, "-", "--verify", "--json", input=data)
    found = json.loads(done.stdout)
    assert found["made_from"]["release"] == "116"
    assert found["asset"] == (ASSET if kind == "bgzf" else None)
    complete = {"bgzf": "ok", "plain": "not known", "cut": "DIFFERS"}[kind]
    assert found["checks"][0]["result"] == complete
    assert done.returncode == (1 if kind == "cut" else 0)
    assert b"Traceback" not in done.stderr


def test_named_pipe_is_read_like_standard_input(seen: Project, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"cat {seen.path(VCF)} > {pipe}"]) as process:
        found = trace_provenance(pipe, verify=True)
        process.wait()
    assert (found.asset, results(found)) == (ASSET, ALL_OK)


# What differs


def test_cut_file_differs(changed: Project) -> None:
    path = changed.path(VCF)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: -len(EOF_BLOCK)])
    found = trace_provenance(VCF, verify=True)
    assert results(found) == {**ALL_OK, "complete": "DIFFERS", "dvc.lock": "DIFFERS"}
    done = command(changed, VCF, "--verify")
    assert done.returncode == 1
    assert b"complete: DIFFERS (the BGZF end-of-file block is missing" in done.stdout
    assert command(changed, VCF).returncode == 0


def damaged(project: Project, name: str) -> Path:
    """Replace a byte in the first half of a file, where a table has values; in the workspace only."""
    path = project.path(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    path.unlink()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", [VCF, TABLE])
def test_damage_inside_differs(changed: Project, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy"
    shutil.copy(damaged(changed, name), copy)
    assert results(trace_provenance(name, verify=True)) == {
        **ALL_OK,
        "complete": "DIFFERS",
        "dvc.lock": "DIFFERS",
    }
    # Where no content is known for it, its own checksums are.
    found = trace_provenance(copy, verify=True)
    assert results(found) == {**ALL_OK, "complete": "DIFFERS", "dvc.lock": "not known"}
    assert "corrupt" in reasons(found)["complete"]


def test_without_dvc_s_list_the_folder_is_compared_as_a_whole(changed: Project) -> None:
    content = gzip.decompress(changed.path(VCF).read_bytes())
    shutil.rmtree(changed.path(".dvc/cache"))
    assert results(trace_provenance(VCF, verify=True)) == ALL_OK
    changed.path(VCF).unlink()
    edited = content.replace(b"rs", b"sr", 1)
    changed.path(VCF).write_bytes(compress_bgzf(edited))
    found = trace_provenance(VCF, verify=True)
    assert results(found) == {**ALL_OK, "dvc.lock": "DIFFERS"}


def test_a_copy_that_was_edited_is_not_proven(seen: Project, tmp_path: Path) -> None:
    content = gzip.decompress(seen.path(VCF).read_bytes())
    copy = tmp_path / "copy.vcf.gz"
    copy.write_bytes(compress_bgzf(content.replace(b",Match=exact,", b",Match=position,")))
    done = command(seen, copy, "--verify")
    assert b"dvc.lock: not known (its content is in no commit that is known here)" in done.stdout
    assert b"Nothing wrong was found, but it is not proven: dvc.lock not known." in done.stdout


def test_what_is_foreign_in_the_reference_differs(changed: Project) -> None:
    changed.path(f"{STORE}/homo_sapiens-chr98.parquet").write_bytes(b"PAR1")
    found = trace_provenance(STORE, verify=True)
    assert results(found) == {"reference files": "DIFFERS", "dvc.lock": "ok"}
    assert "chr98.parquet does not belong there" in reasons(found)["reference files"]
    changed.path(f"{STORE}/homo_sapiens-chr98.parquet").unlink()
    # What .dvcignore leaves out is nobody's business.
    changed.path(f"{STORE}/.DS_Store").write_bytes(b"")
    assert results(trace_provenance(STORE, verify=True))["reference files"] == "ok"
    # Neither does verification stop at what can't be read.
    os.mkfifo(changed.path(f"{STORE}/pipe"))
    changed.path(f"{STORE}/dead").symlink_to("/nowhere")
    found = trace_provenance(STORE, verify=True)
    assert "dead does not belong there" in reasons(found)["reference files"]
    assert "pipe does not belong there" in reasons(found)["reference files"]


@pytest.mark.parametrize(
    "package", ['{"resources": []}', '{"release": Infinity}', "[" * 100_000, '{"sources": 5}']
)
def test_odd_descriptions_are_one_error(changed: Project, package: str) -> None:
    path = changed.path(f"{STORE}/datapackage.json")
    content = json.loads(path.read_bytes())
    path.unlink()
    path.write_text(package)
    if package.startswith("{"):
        path.write_text(json.dumps(content | json.loads(package)))
    if package == '{"sources": 5}':
        content["resources"][0]["sources"] = 5
        path.write_text(json.dumps(content))
        assert trace_provenance(STORE).kind == "reference store"
        return
    with pytest.raises(EnsemblAnnotationsError, match="not a description of a reference store"):
        trace_provenance(STORE, verify=True)


def test_a_store_on_another_disk_is_compared_with_dvc_lock(
    changed: Project, tmp_path: Path
) -> None:
    shutil.move(changed.path(STORE), tmp_path / "disk")
    changed.path(STORE).symlink_to(tmp_path / "disk")
    assert results(trace_provenance(STORE, verify=True))["reference files"] == "ok"
    (tmp_path / "disk" / "other.parquet").write_bytes(b"")
    found = trace_provenance(STORE, verify=True)
    assert "dvc.lock has no such file" in reasons(found)["reference files"]


@pytest.mark.parametrize("has_list", [True, False])
def test_verify_compares_with_dvc_lock(changed: Project, has_list: bool) -> None:
    if not has_list:
        shutil.rmtree(changed.path(".dvc/cache"))
    whole = changed.tool("verify", STORE).output
    assert "29 files verified, release 116; as in datapackage.json and dvc.lock." in whole
    # A description that leaves a chromosome out, and its files gone, is consistent in itself.
    path = changed.path(f"{STORE}/datapackage.json")
    package = json.loads(path.read_bytes())
    package["resources"] = [
        item for item in package["resources"] if item["chromosome"] not in ("7", "8")
    ]
    path.unlink()
    path.write_text(json.dumps(package))
    for chromosome in ("7", "8"):
        changed.path(f"{STORE}/homo_sapiens-chr{chromosome}.parquet").unlink()
    done = changed.tool("verify", STORE, code=1).output
    one = changed.tool("verify", STORE, "--chromosomes", "22", code=int(has_list)).output
    if has_list:
        assert "3 files are wrong" in done
        assert "datapackage.json: MD5 is" in done
        assert "homo_sapiens-chr7.parquet is missing" in done
        assert "datapackage.json: MD5 is" in one
    else:
        assert f"{STORE} has the MD5 " in done
        assert "as in datapackage.json only, since DVC's cache has no list" in one


def test_edited_header_differs(changed: Project) -> None:
    content = gzip.decompress(changed.path(VCF).read_bytes())
    changed.path("edited.vcf").write_bytes(content.replace(b",Release=116,", b",Release=117,"))
    found = trace_provenance("edited.vcf", verify=True)
    assert results(found)["header"] == "DIFFERS"
    assert reasons(found)["header"] == "release is 116, the header says 117"
    changed.path("edited.vcf").write_bytes(content.replace(b"|MT", b"|77", 1))
    found = trace_provenance("edited.vcf", verify=True)
    assert reasons(found)["header"] == "the reference has no chromosome 77"


def test_damaged_reference_differs(changed: Project) -> None:
    path = changed.path(f"{STORE}/homo_sapiens-chr7.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.unlink()
    path.write_bytes(content)
    for name in (VCF, STORE):
        found = trace_provenance(name, verify=True)
        assert results(found)["reference files"] == "DIFFERS"
        assert "homo_sapiens-chr7.parquet" in reasons(found)["reference files"]
    assert command(changed, STORE, "--verify").returncode == 1


def test_damaged_description_of_the_reference_differs(changed: Project) -> None:
    path = changed.path(f"{STORE}/datapackage.json")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content.replace(b'"release": 116', b'"release": 118'))
    assert results(trace_provenance(VCF, verify=True))["reference"] == "DIFFERS"
    assert results(trace_provenance(STORE, verify=True))["dvc.lock"] == "DIFFERS"
    path.write_bytes(content[:100])
    assert results(trace_provenance(VCF, verify=True))["reference"] == "DIFFERS"
    with pytest.raises(EnsemblAnnotationsError, match="not a description of a reference store"):
        trace_provenance(STORE)


# What has no provenance


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found nothing"),
        (b"PAR1", "footer can't be read"),
        (b"PAR1" + b"x" * 100 + b"PAR1", "footer can't be read"),
        (b"hello\n", "found something else"),
        (b"\x1f\x8b", "cut or corrupt"),
        (b"\x1f\x8b\x08\x00garbage that is no gzip", "cut or corrupt"),
        (gzip.compress(b"hello", mtime=0), "found something else"),
        (
            gzip.compress(b"BCF\2\2\xff\xff\xff\xff##fileformat=VCFv4.2\n", mtime=0),
            "no header line",
        ),
        (b"BCF", "found something else"),
        (b"##fileformat=VCFv4.2", "no header line"),
        (b"##fileformat=VCFv4.2\n##ensembl_annotations=text\n", "no header line"),
        (b"##fileformat=VCFv4.2\n#CHROM\n##ensembl_annotations=<ID=a>\n", "no header line"),
        (b"\0" * 5000, "found something else"),
    ],
)
def test_odd_file_is_explained(seen: Project, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        trace_provenance(path, verify=True)


def test_missing_file_and_folder_are_explained(seen: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        trace_provenance(tmp_path / "none.vcf.gz")
    with pytest.raises(EnsemblAnnotationsError, match=r"datapackage\.json is missing"):
        trace_provenance(tmp_path)
    with pytest.raises(EnsemblAnnotationsError, match=r"datapackage\.json is missing"):
        trace_provenance(tmp_path / "datapackage.json")


def test_parquet_that_is_not_ours_is_explained(seen: Project, tmp_path: Path) -> None:
    table = pa.table({"a": [1]})
    pq.write_table(table, tmp_path / "other.parquet")
    with pytest.raises(InputError, match="has no metadata ensembl_annotations"):
        trace_provenance(tmp_path / "other.parquet")
    metadata = {"ensembl_annotations": "{broken"}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="has no metadata ensembl_annotations"):
        trace_provenance(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="is a file of a reference store") as caught:
        trace_provenance(f"{STORE}/homo_sapiens-chr21.parquet")
    assert caught.value.hint == f"Give the folder: {STORE}"


def test_not_annotated_vcf_has_exit_code_1(seen: Project) -> None:
    done = command(seen, SAMPLE_VCF)
    assert done.returncode == 1
    assert b"has no header line ##ensembl_annotations" in done.stderr
    done = command(seen, "-", input=seen.path(TABLE).read_bytes())
    assert (done.returncode, b"from a pipe" in done.stderr) == (1, True)


def test_damaged_files_never_end_in_a_traceback(seen: Project, tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "damaged"
    for name in (VCF, TABLE):
        intact = seen.path(name).read_bytes()
        for _ in range(60):
            content = bytearray(intact[: chance.randrange(len(intact))])
            for _ in range(chance.randrange(3)):
                if content:
                    content[chance.randrange(len(content))] = chance.randrange(256)
            path.write_bytes(content)
            try:
                found = trace_provenance(path, verify=True)
            except EnsemblAnnotationsError:
                continue
            assert found.differs


# The header line, the text


def test_header_line_is_read_as_it_was_written() -> None:
    fields = {"ID": "x", "Source": 'a "b", c\\d=<e>', "Match": "exact,shifted", "Empty": ""}
    assert parse_structured_line(structured_header_line("ensembl_annotations", fields)) == fields
    assert parse_structured_line("##ensembl_annotations=<A=1,B=2>\r\n") == {"A": "1", "B": "2"}
    assert parse_structured_line("##ensembl_annotations=1") == {}


def test_values_of_a_header_are_safe_to_print_and_to_paste(seen: Project, tmp_path: Path) -> None:
    content = gzip.decompress(seen.path(VCF).read_bytes())
    evil = content.replace(b"Source=mini", b'Source="$(rm x); \x1b[31m"')
    evil = evil.replace(b"ReferenceSHA256=", b"ReferenceSHA256=0")
    (tmp_path / "evil.vcf").write_bytes(evil)
    done = command(seen, tmp_path / "evil.vcf")
    assert b"\x1b" not in done.stdout
    assert rb"--source '$(rm x); \u001b[31m'" in done.stdout


def test_text_is_the_same_every_time(seen: Project) -> None:
    done = command(seen, VCF, "--verify")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert lines[0].split() == ["file", VCF]
    assert "to make it again:" in lines
    assert "header: ok (as the reference)" in lines
    assert command(seen, VCF, "--verify").stdout == done.stdout
