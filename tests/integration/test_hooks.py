"""The git hooks that keep genomes and secrets out of git."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
import shutil
import sys
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from detect_secrets.plugins.keyword import DENYLIST, REGEX_BY_FILETYPE
from detect_secrets.plugins.keyword import QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP as OF_OTHERS

from ensembl_annotations.vcf.bgzf import compress_bgzf
from tests.integration.helpers import REPO, Project, install_hooks

VCF = (
    b"##fileformat=VCFv4.2\n"
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tme\n"
    b"22\t16050075\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\n"
)


HOOK = ".git/hooks/pre-commit"


@pytest.fixture(scope="module")
def hooked(seed: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone with the hooks. Only to be read; tests take `clone`."""
    project = seed.clone(tmp_path_factory.mktemp("hooked") / "clone")
    install_hooks(project)
    return project


@pytest.fixture
def clone(hooked: Project, tmp_path: Path) -> Project:
    """A clone with the hooks, of one's own."""
    return hooked.copy(tmp_path / "clone")


def write_hook(project: Project, text: str, mode: int = 0o755) -> None:
    hook = project.path(HOOK)
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(text)
    hook.chmod(mode)


def commit_a_genome(project: Project) -> str:
    stage(project, {"me.txt": VCF})
    done = project.run("git", "commit", "--message", "Mine", code=1)
    assert refused(done.output) == {"me.txt"}
    return done.output


def test_the_hook_of_dvc_is_kept_and_runs_first(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.dvc("install")
    theirs = clone.path(HOOK).read_text()
    assert "dvc git-hook pre-commit" in theirs
    for _ in range(2):
        install_hooks(clone)
    assert clone.path(f"{HOOK}.legacy").read_text() == theirs
    said = commit_a_genome(clone)
    # What `dvc status` says of a clone without data.
    assert said.index("fetch_ensembl") < said.index("Not committed")


def test_dvc_does_not_replace_the_hook(clone: Project) -> None:
    assert "already exists" in clone.dvc("install", code=None).output
    commit_a_genome(clone)


def test_a_hook_in_another_language_is_kept(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    write_hook(clone, "#!/usr/bin/env python3\nprint('theirs')\n")
    install_hooks(clone)
    assert "theirs\n" in commit_a_genome(clone)


def test_a_hook_that_is_switched_off_stays_off(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    write_hook(clone, "#!/bin/sh\necho theirs\n", mode=0o644)
    install_hooks(clone)
    assert "theirs" not in commit_a_genome(clone)


def test_hooks_that_other_repositories_use_are_left_alone(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.git("config", "core.hooksPath", "../hooks")
    assert "core.hooksPath" in install_hooks(clone, code=2).output
    assert not clone.path(HOOK).exists()


def test_a_hook_of_an_earlier_version_still_stops(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    call = "[ ! -f 'scripts/pre-commit' ] || sh 'scripts/pre-commit' || exit 1"
    write_hook(clone, f"#!/bin/sh\n{call}\n")
    clone.path(".venv").symlink_to(REPO / ".venv")
    commit_a_genome(clone)


@pytest.mark.parametrize("lacking", ["everything", "pre-commit"])
def test_without_an_environment_one_line_says_what_to_run(lacking: str, clone: Project) -> None:
    clone.path(".venv").unlink()
    if lacking == "pre-commit":
        clone.path(".venv/bin").mkdir(parents=True)
        clone.path(".venv/bin/python").symlink_to(REPO / ".venv/bin/python")
    stage(clone, {"mine.txt": b"mine\n"})
    done = clone.run("git", "commit", "--message", "Mine", code=1)
    assert re.fullmatch(r"Not committed: .+ needs .+\. Run 'make hooks' in .+\.\n", done.output)


def test_each_worktree_has_its_own_environment(clone: Project, tmp_path: Path) -> None:
    clone.git("worktree", "add", "--quiet", "../tree")
    tree = Project(tmp_path / "tree", clone.environment)
    stage(tree, {"mine.txt": b"mine\n"})
    done = tree.run("git", "commit", "--message", "Mine", code=1)
    assert f"Run 'make hooks' in {tree.root}.\n" in done.output
    tree.path(".venv").symlink_to(REPO / ".venv")
    tree.git("commit", "--quiet", "--message", "Mine")
    commit_a_genome(tree)


def test_what_is_not_staged_is_kept_here(seed: Project, tmp_path: Path) -> None:
    environment = {**seed.environment, "HOME": str(tmp_path / "home")}
    shutil.copytree(seed.environment["HOME"], environment["HOME"])
    clone = Project(seed.clone(tmp_path / "clone").root, environment)
    install_hooks(clone)
    stage(clone, {"mine.txt": b"mine\n"})
    clone.path("mine.txt").write_bytes(VCF)
    clone.git("commit", "--quiet", "--message", "Mine, and what is in the folder is not in it")
    assert clone.git("show", "HEAD:mine.txt") == "mine\n"
    assert clone.path("mine.txt").read_bytes() == VCF
    kept = [path for path in tmp_path.rglob("patch*") if path.read_bytes().count(b"CHROM")]
    assert kept
    assert {path.parent for path in kept} == {clone.path(".git/pre-commit")}
    assert not (tmp_path / "home/.cache/pre-commit").exists()


def zipped(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("README", "harmless")
        archive.writestr(name, content)
    return packed.getvalue()


def tarred(name: str, content: bytes, link: str = "README") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        outside = tarfile.TarInfo("link")
        outside.type, outside.linkname = tarfile.SYMTYPE, link
        archive.addfile(outside)
        for member, data in (("README", b"harmless"), (name, content)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def cut_in_its_first_block(content: bytes) -> bytes:
    whole = compress_bgzf(content)
    return whole[: min(len(whole), 40_000) * 2 // 3]


def parquet_table() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"chrom": ["22"] * 5000, "pos": range(5000)}), written)
    return written.getvalue()


TABLE = parquet_table()
RECORDS = b"22\t16050075\t.\tA\tG\t50\tPASS\t.\tGT:DP\t0/1:31\n" * 3
READ = b"@read 1\nACGTN\n+\nIIIII\n"
GENOMES = {
    "data/vcf/me.vcf.gz": b"x",
    "notes.txt": VCF,
    "packed.txt": gzip.compress(VCF, mtime=0),
    "twice.txt": gzip.compress(bz2.compress(VCF), mtime=0),
    "xz.txt": lzma.compress(VCF),
    "zip.txt": zipped("me", VCF),
    "tar.txt": tarred("me", VCF),
    "cut.txt": gzip.compress(VCF * 1000, mtime=0)[:-9],
    "zst.txt": b"\x28\xb5\x2f\xfdwhatever",
    "mark.txt": codecs.BOM_UTF8 + VCF,
    "utf16.txt": VCF.decode().encode("utf-16"),
    "utf16le.txt": VCF.decode().encode("utf-16-le"),
    "blank.txt": b"\n  \n" + VCF,
    "mail.txt": b"Dear colleague,\n\n" + VCF,
    "crlf.txt": VCF.replace(b"\n", b"\r\n"),
    "headerless.tsv": RECORDS,
    "me.bam": b"x",
    "ME.SAM": b"x",
    "bam.bin": gzip.compress(b"BAM\1rest", mtime=0),
    "cram.bin": b"CRAM\3\1",
    "sam.txt": b"@HD\tVN:1.6\n",
    "reads.txt": gzip.compress(READ, mtime=0),
    "annotated": b"PAR1restPAR1",
    "half.bin": TABLE[: len(TABLE) // 2],
    "other_half.bin": TABLE[len(TABLE) // 2 :],
    "start.bin": TABLE[:20],
    "encrypted_half.bin": b"PARE\x80\0\0\0rest",
    "half_bgzf.bin": cut_in_its_first_block(VCF + RECORDS * 500),
    "other_half_bgzf.bin": compress_bgzf(VCF + RECORDS * 500)[40:],
    "half_bcf.bin": cut_in_its_first_block(b"BCF\2\2" + bytes(500) + RECORDS * 500),
    "damaged.bin": gzip.compress(VCF, mtime=0)[:-20] + bytes(20),
    "index.bin": compress_bgzf(b"CSI\1" + bytes(100)),
    "metrics/.sample.json.0123456789abcdef.tmp": b"{",
    ".annotated.parquet.0123456789abcdef.tmp": bytes(1000),
    "raw.txt": b"# This data file\n# rsid\tchromosome\tposition\tgenotype\nrs1\t1\t5\tAG\n",
    "a name with spaces.vcf": VCF,
    "two\nlines.vcf": VCF,
    "two\nlines.txt": VCF,
    "0:name.txt": VCF,
    "query.txt": b"22\t16050075\tA\tG\t0/1\n22\t16050080\tA\tG\t1/1\nX\t5\tA\tG\t./.\n",
    "calls.csv": b"CHROM,POS,REF,ALT,me\n" + b"22,5,A,G,0|1:31\n" * 3,
    "depth_first.tsv": RECORDS.replace(b"GT:DP\t0/1:31", b"DP:GT\t31:0/1"),
    "frame.h5": b"\x89HDF\r\n\x1a\n",
    "packed.lz4": b"\x04\x22\x4d\x18rest",
    "sites.txt": b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n22\t5\t.\tA\tG\t.\t.\t.\n",
    "lower.tsv": RECORDS.replace(b"\tA\tG", b"\ta\tg"),
    "raw_body.txt": b"rs1\t1\t5\tAG\nrs2\t1\t7\tAA\r\ni9\tMT\t9\tC\n",
    "alignments.txt": b"read1\t99\tchr1\t5\t60\t76M\t=\t90\t1\tACGT\tIIII\n",
    "notebook.ipynb": json.dumps(
        {"cells": [{"outputs": [{"text": VCF.decode().splitlines(keepends=True)[1:]}]}]}
    ).encode(),
    "table.csv": b"chrom,pos,id,ref,alt,alt_index,reason\n22,5,.,A,G,0,\n",
    "table.ndjson": b'{"chrom":"22","pos":5,"ref":"A","alt":"G","alt_index":0}\n',
    "changes.json": b'{"num_alleles_of_sample": 155, "changes": []}',
    "changes.md": b"A person's data: of the sample's 1,155 alleles only: each once\n",
    "cohort.ped": b"f1 p1 0 0 1 1 A G\n",
    "stream.bin": b"\xff\xff\xff\xff\x10\x02\0\0",
    "rows.avro": b"Obj\1\4",
    "calls.db": b"SQLite format 3\0",
    "linked.tar": tarred("me", VCF, link="/usr/bin/python3"),
    "data/mini_ensembl/me.vcf.gz": gzip.compress(VCF, mtime=0),
    "data/mini_ensembl/me.txt": READ,
    "data/vcf/sample.vcf.gz": gzip.compress(VCF, mtime=0),
}
VALUE = b"wJalrXUtnFEMI"
SECRETS = {
    ".dvc/config": b"[remote]\n    secret_access_key = abc\n",
    "key": b"-----BEGIN OPENSSH " + b"PRIVATE KEY-----\n" + b"b3BlbnNzaC1rZXktdjEA" * 3,
    "run.sh": b"export AWS_ACCESS_KEY_ID=" + b"AKIA" + b"IOSFODNN7SAMPLE1\n",
    "env": b"AWS_SECRET_ACCESS_KEY=" + VALUE,
    "session.yaml": b"session_token: " + VALUE,
    "azure.ini": b"  sas_token = " + VALUE,
    "config.json": b'{\n  "password": "' + VALUE + b'"\n}',
    "url.txt": b"[remote]\n    url = https://me:" + VALUE + b"@dav.example.org/store\n",
    "packed.gz": gzip.compress(b"password=" + VALUE, mtime=0),
    "compose.yaml": b"environment:\n  - AWS_SECRET_ACCESS_KEY=" + VALUE,
    "Dockerfile": b"ENV AWS_SECRET_ACCESS_KEY=" + VALUE,
    "push.sh": b"env AWS_SESSION_TOKEN=" + VALUE + b" dvc push\n",
    "line.json": b'{"aws_secret_access_key": "' + VALUE + b'"}',
    "setup.sh": b"dvc remote modify --local refcache password hunter22\n",
    "netrc": b"machine dav.example.org login me password " + VALUE,
    "sas.txt": b"https://x.blob.core.windows.net/c?sv=2022&sig=" + b"Ab3%2F" * 6,
    "tokens.env": b"API_TOKEN=" + b"a1B2" * 6,
    "code.py": b"password = '" + VALUE + b"'\n",
    "environ.py": b"os.environ['AWS_SECRET_ACCESS_KEY'] = '" + VALUE + b"'\n",
    "attribute.py": b"s3.secret_access_key = '" + VALUE + b"'\n",
    "call.py": b"connect(host='h', password='" + VALUE + b"')\n",
    "database.env": b"PGPASSWORD=" + VALUE + b"\nDB_NAME=x\n",
    "storage.txt": b"AccountName=x;AccountKey='" + VALUE + b"'",
    "header.txt": b"Authorization: Bearer " + VALUE + VALUE,
    "hub.txt": b"hf_" + b"aB3" * 12,
    "utf16.env": ("PASSWORD=" + VALUE.decode()).encode("utf-16"),
    "zipped.bin": zipped("env", b"PASSWORD=" + VALUE),
    "notebook.ipynb": json.dumps(
        {"cells": [{"source": ["password = '" + VALUE.decode() + "'"]}]}
    ).encode(),
    "gitlab.lock": b"glpat-" + b"aB3x" * 5,
    "weak.ini": b"[db]\npassword = 12345678\npasswd = abc\n",
}
HARMLESS = {
    "code.py": b'HEADER = "##fileformat=VCFv4.2\\n#CHROM\\tPOS"\npassword = os.environ["PASSWORD"]\n',
    "notes.md": b"A VCF starts with `##fileformat=VCFv4.2`.\n\n    export AWS_SECRET_ACCESS_KEY=...\n",
    "settings.yaml": b"password: $PASSWORD\ntoken_count: 5\nurl: https://me@example.org/store\n",
    "link.txt": b"https://example.org/a:b@c\n",
    "types.py": b"password: str | None = None\npassword = args.password\ntoken = next(tokens)\n",
    "api.yaml": b"password:\n  type: string\n",
    "prose.md": b"Password: ask the data steward.\n",
    "address.txt": b"postgres://user:password@host/db\n",
    "parents.csv": b"PARENT,CHILD\n1,2\n",
    "tools.txt": b"BCFtools reads it.\n",
    "formats.txt": b"CRAM files are smaller.\n",
    "regions.txt": b"PAR1\tX\t10001\t2781479\nPAR2\tX\t155701383\t156030895\n",
    "regions.md": b"The same variant is on X and Y in PAR1",
    ".notes.tmp": b"mine\n",
    "notes.vcf.md": b"About VCF.\n",
    "sample.vcf.gz.dvc": b"outs:\n- path: sample.vcf.gz\n",
    "boto.py": b"client(aws_access_key_id=self.key, aws_secret_access_key=secret)\n",
    "colours.yaml": b'pass: "#5cb85c"\n',
    "counts.csv": b"21,1,5,0.5\n" * 5,
    "many.sh": b"dvc remote modify r url; " * 5_000,
    "blank.txt": b"\n" * 100_000,
    "dashes.txt": b"a-" * 100_000,
    "linked.tar": tarred("README2", b"harmless", link="/usr/bin/python3"),
    "table.tsv": b"CHROM\tPOS\tREF\tALT\n22\t5\tA\tG\n",
    "image.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "numbers.bin": bytes(1000),
    "empty": b"",
}


def stage(project: Project, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        project.path(name).write_bytes(content)
    project.git("add", "--force", "--", *files)


def refused(output: str) -> set[str]:
    names = re.findall(r"^Not committed: (.+): (?:is|has|looks) ", output, re.MULTILINE)
    return {name.replace("\\n", "\n") for name in names}


def test_each_pattern_for_a_name_of_a_secret_has_a_word_that_is_looked_for() -> None:
    """Lines without such a word are not shown to that plugin of the library."""
    words = "|".join(DENYLIST)
    for patterns in (*REGEX_BY_FILETYPE.values(), OF_OTHERS):
        for pattern in patterns:
            before, found, after = pattern.pattern.partition(f"({words})")
            assert found
            # It is not one of several alternatives, and not optional.
            outside = f"{before}#{after}"
            while outside != (inner := re.sub(r"\((?:[^()\\]|\\.)*\)", "", outside)):
                outside = inner
            assert not {"|", "#?", "#*", "#{"} & {*outside, *map("".join, pairwise(outside))}


@pytest.mark.parametrize("files", [GENOMES, SECRETS], ids=["genomes", "secrets"])
def test_genomes_and_secrets_are_not_committed(files: dict[str, bytes], clone: Project) -> None:
    stage(clone, HARMLESS)
    clone.git("commit", "--quiet", "--message", "Harmless")
    before = clone.git("rev-parse", "HEAD")
    stage(clone, files)
    done = clone.run("git", "commit", "--message", "A leak", code=1)
    assert refused(done.output) == set(files)
    assert clone.git("rev-parse", "HEAD") == before


def test_what_is_known_to_be_harmless_is_let_through(clone: Project) -> None:
    stage(
        clone,
        {"example.vcf": VCF, "other.vcf": VCF, ".gitattributes": b"example.vcf not-private\n"},
    )
    done = clone.run("git", "commit", "--message", "An example", code=1)
    assert refused(done.output) == {"other.vcf"}
    assert "not-private' in .gitattributes" in done.output


def test_a_link_is_known_by_what_it_leads_to(clone: Project) -> None:
    clone.path("link").symlink_to("/secure/me.vcf.gz")
    clone.git("add", "link")
    assert refused(clone.run("git", "commit", "--message", "A link", code=1).output) == {"link"}


def test_a_project_in_a_larger_repository(seed: Project, tmp_path: Path) -> None:
    larger = Project(tmp_path / "larger", seed.environment)
    larger.root.mkdir()
    larger.git("init", "--quiet")
    seed.clone(tmp_path / "larger" / "the project")
    inside = Project(tmp_path / "larger" / "the project", seed.environment)
    shutil.rmtree(inside.path(".git"))
    larger.git("add", "--all", *(f":!the project/*/{name}/*" for name in ("vcf", "variation")))
    larger.git("commit", "--quiet", "--message", "All but VCFs: another test has the hook read it")
    install_hooks(inside)
    larger.git("add", "--all")
    larger.git("commit", "--quiet", "--message", "The example and the mirror")
    names = larger.git("show", "--format=", "--name-only", "HEAD")
    assert "the project/data/vcf/sample.vcf.gz\n" in names
    assert re.search("the project/data/mini_ensembl/.*\\.vcf\\.gz\n", names)
    stage(inside, {"me.txt": VCF})
    done = larger.run("git", "commit", "--message", "A leak", code=1)
    assert refused(done.output) == {"the project/me.txt"}


def test_a_merge_and_what_replaces_a_link(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.path("notes.txt").symlink_to("README.md")
    clone.git("add", "notes.txt")
    clone.git("commit", "--quiet", "--message", "A link")
    clone.git("checkout", "--quiet", "-b", "theirs")
    clone.path("notes.txt").unlink()
    stage(clone, {"notes.txt": VCF})
    clone.git("commit", "--quiet", "--message", "By someone without the hook")
    clone.git("checkout", "--quiet", "-")
    stage(clone, {"mine.txt": b"mine\n"})
    clone.git("commit", "--quiet", "--message", "Mine")
    install_hooks(clone)
    done = clone.run("git", "merge", "--no-edit", "theirs", code=None)
    assert done.code != 0
    assert refused(done.output) == {"notes.txt"}


def test_the_end_of_a_merge_is_checked_whole(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.git("checkout", "--quiet", "-b", "theirs")
    stage(clone, {"both.txt": b"theirs\n", "run.sh": SECRETS["run.sh"]})
    clone.git("commit", "--quiet", "--message", "By someone without the hook")
    clone.git("checkout", "--quiet", "-")
    stage(clone, {"both.txt": b"mine\n"})
    clone.git("commit", "--quiet", "--message", "Mine")
    install_hooks(clone)
    assert "CONFLICT" in clone.run("git", "merge", "theirs", code=1).output
    stage(clone, {"both.txt": b"ours\n"})
    done = clone.run("git", "commit", "--no-edit", code=1)
    assert refused(done.output) == {"run.sh"}


def test_a_value_that_is_no_secret_is_let_through(clone: Project) -> None:
    mark = b"  # pragma: allowlist secret"
    marked = {
        "marked.py": SECRETS["code.py"].strip() + mark,
        "next.py": b"# pragma: allowlist nextline secret\n" + SECRETS["code.py"],
    }
    # What the library would scan for half a minute.
    large = ["benchmarks", "docs", "src", "tests", "requirements.lock", "requirements-dev.lock"]
    clone.git("rm", "-r", "--quiet", *large)
    stage(clone, {"code.py": SECRETS["code.py"], **marked})
    done = clone.run("git", "commit", "--message", "An example", code=1)
    assert "code.py: looks like a key or password (Secret Keyword, line 1)." in done.output
    assert refused(done.output) == {"code.py"}
    scan = ("scan", "--no-verify", "--baseline", ".secrets.baseline")
    clone.run(REPO / ".venv/bin/detect-secrets", *scan)
    clone.git("add", ".secrets.baseline")
    clone.git("commit", "--quiet", "--message", "An example")
    # That value in that file only.
    stage(clone, {"other.py": SECRETS["code.py"], "code.py": b"password = 'another one'\n"})
    done = clone.run("git", "commit", "--message", "Others", code=1)
    assert refused(done.output) == {"code.py", "other.py"}


def test_a_baseline_that_cannot_be_read(clone: Project) -> None:
    stage(clone, {".secrets.baseline": b"{"})
    done = clone.run("git", "commit", "--message", "Broken", code=1)
    assert "Not committed: .secrets.baseline can't be read" in done.output
    assert "Traceback" not in done.output


def test_no_key_is_sent_to_a_service(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    path = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
    baseline = json.loads(clone.path(".secrets.baseline").read_bytes())
    assert path not in str(baseline)
    # Should `detect-secrets scan` have put it there.
    baseline["filters_used"].append({"path": path, "min_level": 2})
    clone.path(".secrets.baseline").write_text(json.dumps(baseline))
    program = (
        "import check_staged; from detect_secrets.settings import get_settings;"
        "check_staged.known_secrets(); print(*get_settings().filters)"
    )
    done = clone.run(sys.executable, "-c", program, PYTHONPATH=str(clone.path("scripts")))
    assert "is_templated_secret" in done.output
    assert path not in done.output


def test_the_repository_itself_passes_the_hook(clone: Project) -> None:
    clone.git("checkout", "--quiet", "--orphan", "whole")
    clone.git("commit", "--quiet", "--message", "Everything")
