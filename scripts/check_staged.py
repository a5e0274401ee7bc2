"""Stop genomes and secrets from being committed: `scripts/pre-commit` runs this before each commit.

Looks at what a file says, not at what it is called, and into packed files. It is a net for accidents:
someone who wants to get something past it can. The standard library only, so that it runs in a clone
that has no environment yet.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# What this repository carries in git is far smaller; what is larger can't be looked through.
LIMIT_BYTES = 64 << 20
# A packed file in a packed file in a packed file.
MAX_DEPTH = 4

GENOME = "Samples stay outside git; see CONTRIBUTING.md."
SECRET = "Give credentials in the environment; see docs/sharing.md."
PACKED = "Unpack it, or add it with DVC."

# Authored by this project: Ensembl's variants (nobody's), and the genotypes of nobody.
MIRROR = "data/mini_ensembl/"
EXAMPLE = "data/vcf/sample.vcf.gz"

NAME = re.compile(
    r"\.(vcf|bcf|bam|cram|sam|fastq|fq|gvcf|maf|pgen|bgen)(\.[^/]*)?$", re.IGNORECASE | re.DOTALL
)
BINARY = (
    (0, b"BCF", "is a BCF"),
    (0, b"BAM\1", "is a BAM"),
    (0, b"CRAM", "is a CRAM"),
    (0, b"PAR1", "is a parquet file"),
    (0, b"PARE", "is a parquet file"),
    (0, b"ARROW1", "is an Arrow file"),
    (0, b"l\x1b\1", "is a PLINK file of genotypes"),
    (0, b"l\x1b\x10", "is a PLINK file of genotypes"),
    (16, b"bgen", "is a BGEN file of genotypes"),
)
# Each at the start of a line: code and documents that speak of a format have it inside a line.
TEXT = (
    (re.compile(r"\A\s*##fileformat=VCF"), "is a VCF"),
    (re.compile(r"^#CHROM\tPOS\tID\tREF\tALT\b.*\tFORMAT\t", re.M), "is a VCF"),
    # A record without a header: a genotype is what makes it somebody's.
    (
        re.compile(r"^[^\t\n]+\t\d+\t[^\t\n]+\t[ACGTN]+(?:\t[^\t\n]+){4}\tGT[:\t]", re.M),
        "has genotypes",
    ),
    (re.compile(r"\A@(HD|SQ|RG|PG|CO)\t"), "is a SAM"),
    (re.compile(r"\A@[^\n]+\n[ACGTN]+\r?\n\+", re.IGNORECASE), "is a FASTQ"),
    # What companies give their customers.
    (re.compile(r"^#? ?rsid[\t,]chromosome[\t,]position[\t,]", re.M | re.I), "has genotypes"),
    (re.compile(r'^"?rsid"?,"?chromosome"?,"?position"?,', re.M | re.I), "has genotypes"),
    (
        re.compile(r"Annotated with Ensembl release \d+, \w+\. A person's data"),
        "is a summary of a sample",
    ),
)
_SECRET_NAME = (
    r"(?:aws_)?(?:secret_access_key|access_key_id|session_token)"
    r"|(?:\w+_)?(?:password|passphrase|sas_token|account_key|client_secret|connection_string)"
)
# Not `$VARIABLE`, `<placeholder>`, `...` or what a program computes.
_SECRET_VALUE = r"[\"']?(?![$<.*{]|None\b|null\b|[\w.]+[\[(])[^\s\"']{3,}"
SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})"),
    re.compile(
        rf"^\s*(?:export\s+|set\s+)?[\"']?(?:{_SECRET_NAME})[\"']?\s*[=:]\s*{_SECRET_VALUE}",
        re.M | re.I,
    ),
    # Not of a server on this machine, such as a test's.
    re.compile(
        r"\b[a-z][a-z0-9+.-]*://[^/\s:@\"'<>{}$]+:[^/\s@\"'<>{}$]+@(?!127\.|localhost\b|\[::1)[\w\[]",
        re.I,
    ),
)


class Found(NamedTuple):
    """What is wrong with a file, and what to do instead."""

    fact: str
    advice: str


def staged() -> Iterator[tuple[str, str]]:
    """Path and blob of each file that a commit would add or change, whatever its name."""
    raw = subprocess.run(
        [
            "git",
            "diff",
            "--cached",
            "--raw",
            "-z",
            "--no-abbrev",
            "--no-renames",
            "--diff-filter=d",
        ],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    fields = raw.split(b"\0")
    for change, path in zip(fields[::2], fields[1::2]):  # noqa: B905 (Python 3.9 has no strict)
        _, mode, _, blob, _ = change.decode().split(" ")
        if mode != "160000":  # a submodule has its own history
            yield path.decode(errors="surrogateescape"), blob


def read(blob: str) -> bytes:
    """At most one byte more than may be looked through."""
    with subprocess.Popen(["git", "cat-file", "blob", blob], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        content = process.stdout.read(LIMIT_BYTES + 1)
        process.stdout.close()
        process.terminate()
    return content


def unpack(content: bytes) -> Iterator[bytes]:
    """Yield what is in a packed file: one for a compressed one, each member of an archive."""
    if content.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(content)) as file:
            yield head(file)
    elif content.startswith(b"BZh"):
        with bz2.open(io.BytesIO(content)) as file:
            yield head(file)
    elif content.startswith((b"\xfd7zXZ\0", b"]\0\0")):
        with lzma.open(io.BytesIO(content)) as file:
            yield head(file)
    elif zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for item in archive.infolist():
                with archive.open(item) as file:
                    yield head(file)
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    yield file.read(LIMIT_BYTES + 1)


def head(file: io.BufferedIOBase | gzip.GzipFile) -> bytes:
    """Whatever can be unpacked of a stream, which may be cut: its start says what it is."""
    parts = bytearray()
    try:
        while len(parts) <= LIMIT_BYTES and (part := file.read(1 << 16)):
            parts += part
    except (EOFError, OSError, lzma.LZMAError, zlib.error):
        if not parts:
            raise
    return bytes(parts)


def decode(content: bytes) -> str:
    """Text in the encoding its first bytes speak of; bytes as they are where they speak of none."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if content[1:8:2] == b"\0\0\0\0":
        return content.decode("utf-16-le", errors="replace")
    if content[0:8:2] == b"\0\0\0\0":
        return content.decode("utf-16-be", errors="replace")
    return content.decode("latin-1")


def allowed(path: str, text: str) -> bool:
    """Whether a VCF is one of the project's own: without samples, or with the made-up one."""
    line = re.search(r"^#CHROM\t.*", text, re.M)
    samples = line.group().rstrip("\r").split("\t")[9:] if line else ["?"]
    return (path.startswith(MIRROR) and not samples) or (path == EXAMPLE and samples == ["demo"])


def look(path: str, content: bytes, depth: int = 0) -> Found | None:
    """Say what a file must not be committed for, else None."""
    if len(content) > LIMIT_BYTES:
        return Found(f"is larger than {LIMIT_BYTES >> 20} MB", "Large files are DVC's, not git's.")
    if content.startswith((b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!")):
        return Found("is packed in a way that can't be looked into", PACKED)
    for offset, magic, fact in BINARY:
        if content[offset:].startswith(magic):
            return Found(fact, GENOME)
    text = decode(content)
    for pattern, fact in TEXT:
        if pattern.search(text) and not allowed(path, text):
            return Found(fact, GENOME)
    if any(pattern.search(text) for pattern in SECRETS):
        return Found("looks like a key or password", SECRET)
    try:
        for inner in unpack(content):
            if depth == MAX_DEPTH:
                return Found("is packed too often to be looked into", PACKED)
            if found := look(path, inner, depth + 1):
                return found
    except (
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,  # a zip with a password
        lzma.LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    ):
        return Found("is packed in a way that can't be looked into", PACKED)
    return None


def check(path: str, blob: str) -> Found | None:
    """Look at the name of one file, then at what it is."""
    if NAME.search(path) and path != EXAMPLE and not path.startswith(MIRROR):
        return Found("looks like a person's genome", GENOME)
    return look(path, read(blob))


stopped = False
for path, blob in staged():
    if found := check(path, blob):
        stopped = True
        shown = path.encode("unicode_escape", errors="surrogateescape").decode("ascii", "replace")
        print(f"Not committed: {shown}: {found.fact}.\n{found.advice}", file=sys.stderr)
sys.exit(stopped)
