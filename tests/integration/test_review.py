"""The review of a change, and the git hook that keeps genomes and secrets out of git."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembl_annotations.vcf.bgzf import compress_bgzf
from tests.integration.helpers import REPO, Done, Project

VCF = (
    b"##fileformat=VCFv4.2\n"
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tme\n"
    b"22\t16050075\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\n"
)


def review(project: Project, base: str, code: int = 0) -> Done:
    if not project.path(".venv").exists():
        project.path(".venv").symlink_to(REPO / ".venv")
    return project.run("sh", "scripts/review.sh", base, code=code)


def test_another_release_is_reviewed(project: Project, tmp_path: Path) -> None:
    project.set_param("ensembl.release", 115)
    project.commit()
    stale = review(project, "HEAD~1", code=1)
    assert "`dvc.lock` is not current" in stale.output
    assert "fetch_ensembl" in stale.output
    project.repro()
    project.commit()
    done = review(project, "HEAD~2")
    assert "`dvc.lock` is current" in done.output
    assert "ensembl.release" in done.output
    assert "| 115 " in done.output
    assert "num_exact" in done.output
    assert "flowchart" in done.output
    reference = done.output.partition("### Reference")[2]
    assert "retired" in reference
    assert "Not compared" not in reference
    # Without any data the rest is there.
    clone = project.clone(tmp_path / "clone")
    bare = review(clone, "HEAD~2")
    assert "`dvc.lock` is current" in bare.output
    assert "num_exact" in bare.output
    assert "> Error: " in bare.output
    assert "**The reference changed and could not be compared:**" in bare.output
    data = bare.output.partition("### Data")[2].partition("###")[0]
    for path in ("data/ensembl_annotations", "data/annotated/sample"):
        assert f"| {path} | " in data
    # A digest that nobody has is seen as well.
    lock = clone.path("dvc.lock")
    before = lock.read_text().partition("- path: data/annotated/sample\n")[2]
    digest = before.partition("md5: ")[2].partition("\n")[0]
    lock.write_text(lock.read_text().replace(digest, f"{'0' * 32}.dir"))
    clone.commit()
    forged = review(clone, "HEAD~1")
    assert f"| data/annotated/sample | {digest[:12]} | {'0' * 12} |" in forged.output


def test_why_the_lock_is_not_current(project: Project) -> None:
    def told() -> str:
        project.commit()
        said = review(project, "HEAD~1", code=1).output.partition("###")[0]
        project.git("reset", "--quiet", "--hard", "HEAD~1")
        return said

    project.path("metrics/annotate/sample.json").unlink()
    assert "- `annotate@sample`: metrics/annotate/sample.json: deleted\n" in told()
    versions = project.path("src/ensembl_annotations/versions.py")
    text = versions.read_text("utf-8")
    for name, stage in (("STORE", "fetch_ensembl"), ("ENGINE", "annotate@sample"),
                        ("REPORT", "report@sample")):  # fmt: skip
        versions.write_text(text.replace(f"\n{name}_VERSION = ", f"\n{name}_VERSION = 1"), "utf-8")
        said = told()
        assert (
            f"- `{stage}`: {name}_VERSION in {versions.relative_to(project.root)}: modified\n"
            in said
        )
        assert said.count("\n- ") == 1
    project.set_param("samples", {})
    assert "- `annotate@sample`: in dvc.lock only\n" in told()
    lock = project.path("dvc.lock").read_text("utf-8")
    digest = re.search(
        r"fetch_ensembl:[\s\S]*?path: data/ensembl_annotations\n\s+hash: md5\n\s+md5: (\w+)", lock
    )
    assert digest
    begin, end = digest.span(1)
    project.path("dvc.lock").write_text(f"{lock[:begin]}{'0' * 32}{lock[end:]}")
    assert "made from another data/ensembl_annotations than dvc.lock has" in told()


def test_a_raised_version_is_reviewed_and_code_is_no_reason(project: Project) -> None:
    code = project.path("src/ensembl_annotations/annotate/match.py")
    code.write_text(code.read_text("utf-8") + "\n# More\n")
    project.commit()
    done = review(project, "HEAD~1").output
    assert "`dvc.lock` is current" in done
    assert done.count("No change.") == 3
    versions = project.path("src/ensembl_annotations/versions.py")
    text = versions.read_text("utf-8")
    raised = re.sub(r"(?m)^(REPORT_VERSION) = (\d+)$", r"\1 = 1\2", text)
    versions.write_text(raised, "utf-8")
    assert project.repro() == ["report@sample"]
    project.commit()
    done = review(project, "HEAD~1").output
    assert "`dvc.lock` is current" in done
    assert re.search(
        r"\| src/ensembl_annotations/versions.py \| REPORT_VERSION \| 1 \| 11 \|", done
    )


def test_the_review_is_of_what_the_branch_commits(project: Project) -> None:
    fork = project.git("rev-parse", "HEAD").strip()
    project.git("checkout", "--quiet", "-b", "mine")
    project.set_param("annotate.level", 2)
    project.repro()
    project.commit()
    # The base goes on meanwhile; the branch does not undo that.
    project.git("branch", "--force", "base", fork)
    project.git("checkout", "--quiet", "base")
    project.set_param("annotate.level", 3)
    project.commit()
    project.git("checkout", "--quiet", "mine")
    first = review(project, "base").output
    assert "| 2 " in first
    assert "| 3 " not in first
    assert review(project, "base").output == first
    # What is not committed is not in there, and that is said.
    project.set_param("annotate.level", 4)
    mixed = review(project, "base").output
    assert "not committed" in mixed
    assert "| 4 " not in mixed
    # A part that can't be made is neither silent nor "no change".
    project.path("params.yaml").write_text("annotate: [")
    project.commit()
    broken = review(project, "base", code=1).output
    assert "**Could not be made:**" in broken
    assert "> " in broken


def test_data_of_another_commit_do_not_matter(
    earlier_pair: tuple[Project, Done], tmp_path: Path
) -> None:
    project = earlier_pair[0].copy(tmp_path / "earlier")
    project.git("checkout", "--quiet", "HEAD~1")
    done = review(project, "HEAD~1")
    assert "`dvc.lock` is current" in done.output


def test_the_hook_goes_into_the_one_that_dvc_installs(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.dvc("install")
    for _ in range(2):
        clone.run("make", "hooks")
    hook = clone.path(".git/hooks/pre-commit").read_text()
    assert hook.count("sh 'scripts/pre-commit'") == 1
    assert "dvc git-hook pre-commit" in hook
    clone.path("me.vcf").write_bytes(VCF)
    clone.git("add", "--force", "me.vcf")
    done = clone.run("git", "commit", "--message", "Mine", code=None)
    assert done.code != 0
    assert "me.vcf: looks like a person's genome" in done.output
    # Hooks that other repositories use too are left alone.
    clone.git("config", "core.hooksPath", "../hooks")
    assert "core.hooksPath" in clone.run("make", "hooks", code=2).output
    clone.git("config", "--unset", "core.hooksPath")
    # One that is in another language is left alone.
    clone.path(".git/hooks/pre-commit").write_text("#!/usr/bin/env python3\n")
    refused = clone.run("make", "hooks", code=2)
    assert "add a call of scripts/pre-commit" in refused.output
    assert clone.path(".git/hooks/pre-commit").read_text() == "#!/usr/bin/env python3\n"


def test_nothing_changed(project: Project) -> None:
    done = review(project, "HEAD")
    assert done.output.count("No change.") == 3


def test_an_unknown_base(project: Project) -> None:
    assert "no such revision" in review(project, "nosuch", code=2).output


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
        project.git("add", "--force", "--", name)


def refused(output: str) -> set[str]:
    names = re.findall(r"^Not committed: (.+): (?:is|has|looks) ", output, re.MULTILINE)
    return {name.replace("\\n", "\n") for name in names}


@pytest.mark.parametrize("files", [GENOMES, SECRETS], ids=["genomes", "secrets"])
def test_genomes_and_secrets_are_not_committed(
    files: dict[str, bytes], seed: Project, tmp_path: Path
) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.run("make", "hooks")
    stage(clone, HARMLESS)
    clone.git("commit", "--quiet", "--message", "Harmless")
    before = clone.git("rev-parse", "HEAD")
    stage(clone, files)
    done = clone.run("git", "commit", "--message", "A leak", code=1)
    assert refused(done.output) == set(files)
    assert clone.git("rev-parse", "HEAD") == before


def test_what_is_known_to_be_harmless_is_let_through(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.run("make", "hooks")
    stage(
        clone,
        {"example.vcf": VCF, "other.vcf": VCF, ".gitattributes": b"example.vcf not-private\n"},
    )
    done = clone.run("git", "commit", "--message", "An example", code=1)
    assert refused(done.output) == {"other.vcf"}
    assert "not-private' in .gitattributes" in done.output


def test_a_link_is_known_by_what_it_leads_to(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.run("make", "hooks")
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
    inside.run("make", "hooks")
    larger.git("add", "--all")
    larger.git("commit", "--quiet", "--message", "All, with the example and the mirror")
    stage(inside, {"me.txt": VCF})
    done = larger.run("git", "commit", "--message", "A leak", code=1)
    assert refused(done.output) == {"the project/me.txt"}


def test_a_merge_and_what_replaces_a_link(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.path("notes.txt").symlink_to("README.md")
    stage(clone, {})
    clone.git("add", "notes.txt")
    clone.git("commit", "--quiet", "--message", "A link")
    clone.git("checkout", "--quiet", "-b", "theirs")
    clone.path("notes.txt").unlink()
    stage(clone, {"notes.txt": VCF})
    clone.git("commit", "--quiet", "--message", "By someone without the hook")
    clone.git("checkout", "--quiet", "-")
    stage(clone, {"mine.txt": b"mine\n"})
    clone.git("commit", "--quiet", "--message", "Mine")
    clone.run("make", "hooks")
    done = clone.run("git", "merge", "--no-edit", "theirs", code=None)
    assert done.code != 0
    assert refused(done.output) == {"notes.txt"}


def test_a_hook_that_is_switched_off(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    hook = clone.path(".git/hooks/pre-commit")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o644)
    assert "switched off" in clone.run("make", "hooks", code=2).output
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"


def test_the_repository_itself_passes_the_hook(seed: Project, tmp_path: Path) -> None:
    clone = seed.clone(tmp_path / "clone")
    clone.run("make", "hooks")
    clone.git("checkout", "--quiet", "--orphan", "whole")
    clone.git("commit", "--quiet", "--message", "Everything")
