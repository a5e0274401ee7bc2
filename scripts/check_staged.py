"""Stop genomes and secrets from being committed: `.pre-commit-config.yaml` runs this before each commit.

Looks at what a file says, not at what it is called, and into packed files. Genomes are known by the
patterns in here. Secrets are found by detect-secrets, with the plugins and filters of
`.secrets.baseline`, and by a few patterns for what it has no plugin for; nothing is sent anywhere.

It is a net for accidents: someone who wants to get something past it can. What it stops wrongly goes
into the baseline (a value that is no secret) or gets the attribute `not-private` in `.gitattributes`
(a whole file), for all to see.
"""

from __future__ import annotations

import bz2
import codecs
import io
import json
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from detect_secrets.core import baseline
from detect_secrets.core.scan import _process_line_based_plugins as scan_lines
from detect_secrets.exceptions import InvalidBaselineError, UnableToReadBaselineError
from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector
from detect_secrets.settings import get_plugins, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detect_secrets.core.secrets_collection import SecretsCollection

PROJECT = Path(__file__).resolve().parents[1]
BASELINE = ".secrets.baseline"

# What a repository carries in git is far smaller; what is larger, packed or not, is not looked through.
LIMIT_BYTES = 64 << 20
# What a text is shows in its beginning.
TEXT_BYTES = 8 << 20
# Of what is packed, at a time; where it is damaged, as much is not looked into.
STEP_BYTES = 4 << 10
# A packed file in a packed file in a packed file.
MAX_DEPTH = 4
ATTRIBUTE = "not-private"

GENOME = "Samples stay outside git; see CONTRIBUTING.md."
CREDENTIALS = "Give credentials in the environment; see docs/sharing.md."
PACKED = "Unpack it, or add it with DVC."

# Authored by this project: Ensembl's variants (nobody's), and the genotypes of nobody.
MIRROR = "data/mini_ensembl/"
EXAMPLE = "data/vcf/sample.vcf.gz"

NAME = re.compile(
    r"\.(vcf|gvcf|bcf|bam|cram|sam|fastq|fq|maf|ped|fam|pgen|bgen)"
    r"(\.(gz|bgz|bz2|xz|zst|zip|7z|tbi|csi|bai|crai))*$",
    re.IGNORECASE,
)
# As this program names a file until it is complete.
UNFINISHED = re.compile(r"(\A|/)\.[^/]+\.[0-9a-f]{8,16}\.tmp\Z")
BINARY = (
    (re.compile(rb"BCF[\x02\x04]"), "is a BCF"),
    (re.compile(rb"BAM\x01"), "is a BAM"),
    (re.compile(rb"CRAM[\x02\x03]"), "is a CRAM"),
    # Or one of its halves. A text may begin or end with these letters, but has no NUL.
    (
        re.compile(rb"(?s)PAR[1E](?:.*PAR[1E]\Z|\x15|.{0,8192}?\0)|.*\0PAR[1E]\Z"),
        "is a parquet file",
    ),
    # The rest of one that was cut: its blocks can be read. Files that are packed otherwise may have one in them.
    (
        re.compile(rb"(?s)(?!\x1f\x8b|PK|.{257}ustar).*?\x1f\x8b\x08\x04.{6}\x06\0BC\x02\0"),
        "is a part of a BGZF file",
    ),
    (re.compile(rb"(?:CSI|TBI|BAI)\x01"), "is the index of a genome"),
    (re.compile(rb"(?s)ARROW1\x00\x00|\xff{4}..\x00\x00"), "is an Arrow file"),
    (re.compile(rb"Obj\x01"), "is an Avro file"),
    (re.compile(rb"SQLite format 3\x00"), "is a database"),
    (re.compile(rb"l\x1b[\x01\x10]"), "is a PLINK file of genotypes"),
    (re.compile(rb"(?s).{16}bgen"), "is a BGEN file of genotypes"),
    (re.compile(rb"\x89HDF\r\n|FEA1|(?s:.{8})DUCK"), "is a table or a database"),
)
# zstd, 7z, rar, lz4, compress.
OPAQUE = (b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x04\x22\x4d\x18", b"\x1f\x9d")
_BASES = "[ACGTNacgtn]+"
_LOCUS = r"(?:chr)?(?:\d\d?|X|Y|MT?)"
# Most of them only at the start of a line: code and documents that speak of a format have it inside.
TEXT = (
    (re.compile(r"\A\s*(##fileformat=VCF|#CHROM\tPOS\tID\tREF\tALT\b)"), "is a VCF"),
    (re.compile(r"^#CHROM\tPOS\tID\tREF\tALT\b.*\tFORMAT\t", re.M), "is a VCF"),
    # A record without a header: a genotype is what makes it somebody's.
    (re.compile(rf"^[^\s#]+\t\d+\t[^\t\n]+\t{_BASES}(?:\t[^\t\n]+){{4}}\t(?:\w+:)*GT[:\t]", re.M),
     "has genotypes"),
    (re.compile(r"\A@(HD|SQ|RG|PG|CO)\t"), "is a SAM"),
    (re.compile(r"^[^\s@]+\t\d+\t\S+\t\d+\t\d+\t(?:\d+[MIDNSHP=X])+\t", re.M), "is a SAM"),
    (re.compile(rf"\A@[^\n]+\n{_BASES}\r?\n\+"), "is a FASTQ"),
    # What `bcftools query` and tables have: a locus, and calls.
    (re.compile(rf"(?:^\"?{_LOCUS}\"?[\t, ]\d{{1,9}}[\t, ][^\n]{{0,2000}}[\t, ]\"?[\d.][/|][\d.][^\n]*\n){{3}}", re.M),
     "has genotypes"),
    # What companies give their customers.
    (re.compile(r'^#? ?"?rsid"?[\t,]"?chromosome"?[\t,]"?position"?[\t,]', re.M | re.I),
     "has genotypes"),
    (re.compile(rf"(?:^(?:rs|i)\d+\t{_LOCUS}\t\d+\t[ACGTDI-]{{1,2}}\r?\n){{3}}", re.M),
     "has genotypes"),
    # What this program writes of a sample, and what is exported from its tables.
    (re.compile(r"Annotated with Ensembl release \d+, [\w.-]+\. A person's data"),
     "is a summary of a sample"),
    (re.compile(r'A person\'s data: of the sample\'s [\d,]+ alleles only|"num_alleles_of_sample": *[1-9]'),
     "is a comparison through a sample"),
    (re.compile(r'\A\W{0,3}chrom\b[^\n]*\balt_index\b'), "is a table of a sample"),
)  # fmt: skip
# What is no secret: a variable, a placeholder, the name of a type, what a program computes, AWS's example.
_NO_VALUE = (
    r"(?![$<.*{%#]|(?:None|null|true|false|str|string|bytes|bool|int)\b|[\w.]+[\[(]"
    r"|(?:password|passwd|secret|test|x+|\*+)\b|\w*EXAMPLE)"
)
_PLAIN = rf"[\"']?{_NO_VALUE}[^\s\"'`]{{3,}}"
_QUOTED = rf"[\"']{_NO_VALUE}[^\s\"']{{3,}}[\"']"
_AFTER_NAME = r"[\"'\])]{0,2}[ \t]*[=:][ \t]*"
# Names that detect-secrets does not know: of what DVC's remotes are opened with, mostly.
_NAME = (
    r"(?:aws_)?(?:access_key_id|session_token)|sas_token|connection_?string"
    r"|\w{0,40}passphrase|\w{1,40}_(?:pass|pwd)"
)
# What it has no plugin for.
SECRETS = (
    re.compile(r"\b(?:github_pat_\w{60}|AIza[\w-]{35}|hf_[A-Za-z0-9]{30})"),
    # As DVC is told.
    re.compile(
        r"\bremote[ \t]+modify\b[^\n]{0,200}?[ \t](?:(?:aws_)?(?:secret_access_key|access_key_id)"
        rf"|session_token|sas_token|account_?key|connection_?string|password|passphrase)[ \t]+{_PLAIN}",
        re.I,
    ),
    # But of a server on this machine, such as a test's.
    re.compile(
        r"\bmachine[ \t]+(?!localhost\b|127\.)\S{1,200}\s+login\s+\S{1,200}\s+password\s+\S"
    ),
    re.compile(r"[?&]sig=[\w%+/=-]{20,}"),
    re.compile(r"\bAuthorization:[ \t]*(?:Bearer|Basic)[ \t]+[\w+/=.-]{16,}"),
    re.compile(
        r"^[ \t]*(?:export[ \t]+)?[\"']?(?:\w{1,40}_)?token[\"']?[ \t]*[=:][ \t]*"
        r"[\"']?(?=[\w+/.-]*\d)(?=[\w+/.-]*[A-Za-z])[\w+/.-]{16,200}[\"']?[ \t]*\r?$",
        re.M | re.I,
    ),
)
# In a program or a text only what is quoted is a value, elsewhere what stands there.
QUOTED_SECRET = re.compile(rf"(?<!\w)[\"']?(?:{_NAME}){_AFTER_NAME}{_QUOTED}", re.I)
PLAIN_SECRET = re.compile(rf"(?<![\w.])[\"']?(?:{_NAME}){_AFTER_NAME}{_PLAIN}", re.I)
# Each pattern of the library's plugin for names of secrets has one of these words, which takes less time to look for.
WORD = re.compile("|".join(DENYLIST), re.I)
# No secret, and many: letters alone, as in a FASTA, and what a lock file has.
DULL = re.compile(r"[A-Za-z\s]*|\s*--hash=sha256:[0-9a-f]{64}[\s\\]*")
PROSE = re.compile(
    r"\.(py|pyi|ipynb|js|mjs|ts|tsx|jsx|go|rs|java|c|cc|cpp|h|R|Rmd|md|rst|txt|html|j2|css|lock)$"
)

DAMAGED = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,  # a zip with a password
    ValueError,
    KeyError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class Found(NamedTuple):
    """What is wrong with a file, and what to do instead."""

    fact: str
    advice: str


class TooLarge(Exception):
    """What is in a packed file is more than is looked through."""


def git(*arguments: str, given: bytes | None = None) -> bytes:
    """Return what git prints."""
    return subprocess.run(
        ["git", *arguments], input=given, stdout=subprocess.PIPE, check=True
    ).stdout


def staged() -> Iterator[tuple[str, str, str]]:
    """Path, mode and blob of each file that a commit would add or change, whatever its name."""
    options = ["--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=d"]
    fields = git("diff", *options).split(b"\0")
    found = {}
    for change, path in zip(fields[::2], fields[1::2], strict=False):  # they end with a NUL
        _, mode, _, blob, _ = change.decode().split(" ")
        if mode != "160000":  # a submodule has its own history
            found[path] = mode, blob
    asked = git("check-attr", "--cached", "--stdin", "-z", ATTRIBUTE, given=b"\0".join(found))
    values = dict(zip(asked.split(b"\0")[::3], asked.split(b"\0")[2::3], strict=False))
    for path, (mode, blob) in found.items():
        if values.get(path) != b"set":
            yield path.decode(errors="surrogateescape"), mode, blob


def read(blob: str) -> bytes:
    """At most one byte more than may be looked through."""
    with subprocess.Popen(["git", "cat-file", "blob", blob], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        content = process.stdout.read(LIMIT_BYTES + 1)
        process.stdout.close()
        process.terminate()
    return content


class Unpacker:
    """Unpack what is in a file, and in what is in it, up to a limit for all of it."""

    def __init__(self) -> None:
        self.left = LIMIT_BYTES

    def unpack(self, content: bytes) -> Iterator[bytes]:
        """Yield what is in a packed file: one for a compressed one, each member of an archive."""
        if content.startswith(b"\x1f\x8b"):
            yield self.inflate(content)
        elif content.startswith(b"BZh"):
            with bz2.open(io.BytesIO(content)) as file:
                yield self.head(file)
        elif content.startswith((b"\xfd7zXZ\0", b"]\0\0")):
            with lzma.open(io.BytesIO(content)) as file:
                yield self.head(file)
        elif content.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for item in archive.infolist():
                    with archive.open(item) as file:
                        yield self.head(file)
        elif content[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    if member.isreg() and (file := archive.extractfile(member)) is not None:
                        yield self.head(file)

    def inflate(self, content: bytes) -> bytes:
        """Whatever can be unpacked of gzip or BGZF, which may be cut or damaged anywhere."""
        parts = bytearray()
        begin = 0
        while content.startswith(b"\x1f\x8b", begin):
            member = zlib.decompressobj(wbits=31)
            try:
                while begin < len(content) and not member.eof:
                    parts += self.counted(member.decompress(content[begin : begin + STEP_BYTES]))
                    begin += STEP_BYTES
            except zlib.error:
                break
            begin -= len(member.unused_data)
        if not parts and not member.eof:
            raise EOFError
        return bytes(parts)

    def counted(self, part: bytes) -> bytes:
        self.left -= len(part)
        if self.left < 0:
            raise TooLarge
        return part

    def head(self, file: io.BufferedIOBase) -> bytes:
        """Whatever can be unpacked of a stream, which may be cut: its start says what it is."""
        parts = bytearray()
        try:
            while part := file.read(1 << 16):
                parts += self.counted(part)
        except DAMAGED:
            if not parts:
                raise
        return bytes(parts)


def decode(content: bytes) -> str | None:
    """Text in the encoding its first bytes speak of; None for what is no text."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if content[1:8:2] == b"\0\0\0\0" and content[0:1] != b"\0":
        return content.decode("utf-16-le", errors="replace")
    if content[0:8:2] == b"\0\0\0\0" and content[1:2] != b"\0":
        return content.decode("utf-16-be", errors="replace")
    return None if b"\0" in content[:8192] else content.decode("latin-1")


def texts(content: bytes) -> Iterator[str]:
    """Yield what a file says, and each text in it where it is JSON, such as a notebook's outputs."""
    text = decode(content[:TEXT_BYTES])
    if text is None:
        return
    yield text
    if text.lstrip()[:1] in ("{", "[") and len(content) <= TEXT_BYTES:
        try:
            waiting = [json.loads(text)]
        except (ValueError, RecursionError):
            return
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                waiting += item.values()
            elif isinstance(item, list):
                # A notebook has a list of lines.
                if item and all(isinstance(part, str) for part in item):
                    yield "".join(item)
                else:
                    waiting += item
            elif isinstance(item, str) and "\n" in item:
                yield item


def is_ours(path: str, text: str) -> bool:
    """Whether a VCF is one of the project's own: without samples, or with the made-up one."""
    line = re.search(r"^#CHROM\t.*", text, re.M)
    samples = line.group().rstrip("\r").split("\t")[9:] if line else ["?"]
    return (path.startswith(MIRROR) and not samples) or (path == EXAMPLE and samples == ["demo"])


@cache
def known_secrets() -> SecretsCollection:
    """Set detect-secrets up as the baseline says, and return what that knows to be none."""
    known = baseline.load(baseline.load_from_file(str(PROJECT / BASELINE)))
    # It would ask a service whether a key of it is valid; `detect-secrets scan` puts that in a baseline.
    get_settings().disable_filters(
        "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
    )
    return known


def suspicious_lines(name: str, text: str) -> list[tuple[int, str]]:
    """Return the lines in which a plugin sees something, and the line before each, with their numbers.

    The library's own scan, with its filters, takes three times as long; one of them looks at the line
    before, for `pragma: allowlist nextline secret`.
    """
    lines = [line for line in enumerate(text.splitlines(), 1) if not DULL.fullmatch(line[1])]
    plugins = get_plugins()
    for_any = [plugin for plugin in plugins if not isinstance(plugin, KeywordDetector)]
    seen = [
        any(
            plugin.analyze_line(name, line.rstrip())
            for plugin in (plugins if WORD.search(line) else for_any)
        )
        for _, line in lines
    ]
    return [line for index, line in enumerate(lines) if any(seen[index : index + 2])]


def find_secret(path: str, text: str) -> str | None:
    """Say what kind of secret is in a text, and in which line, else None."""
    known = known_secrets()[path]
    if path == BASELINE:  # it has digests only
        return None
    prose = bool(PROSE.search(path))
    # By its name a file is a configuration, where a value needs no quotes, or is not.
    name = path if prose else f"{path}.cfg"
    lines = suspicious_lines(name, text)
    for secret in scan_lines(list(enumerate((line for _, line in lines), 1)), name):
        secret.filename = path
        if secret not in known:
            return f"{secret.type}, line {lines[secret.line_number - 1][0]}"
    for pattern in (*SECRETS, QUOTED_SECRET if prose else PLAIN_SECRET):
        if match := pattern.search(text):
            return f"line {text.count(chr(10), 0, match.end()) + 1}"
    return None


def look(path: str, content: bytes, unpacker: Unpacker, depth: int = 0) -> Found | None:
    """Say what a file must not be committed for, else None."""
    if len(content) > LIMIT_BYTES:
        raise TooLarge
    if content.startswith(OPAQUE):
        return Found("is packed in a way that can't be looked into", PACKED)
    for magic, fact in BINARY:
        if magic.match(content):
            return Found(fact, GENOME)
    for text in texts(content):
        for pattern, fact in TEXT:
            if pattern.search(text) and not is_ours(path, text):
                return Found(fact, GENOME)
        if secret := find_secret(path, text):
            return Found(f"looks like a key or password ({secret})", CREDENTIALS)
    try:
        for inner in unpacker.unpack(content):
            if depth == MAX_DEPTH:
                return Found("is packed too often to be looked into", PACKED)
            if found := look(path, inner, unpacker, depth + 1):
                return found
    except DAMAGED:
        return Found("is packed in a way that can't be looked into", PACKED)
    return None


def check(path: str, mode: str, blob: str) -> Found | None:
    """Look at the name of one file, or what a link leads to, then at what it is."""
    content = read(blob)
    name = content.decode(errors="surrogateescape") if mode == "120000" else path
    if NAME.search(name) and path != EXAMPLE and not path.startswith(MIRROR):
        return Found("looks like a person's genome", GENOME)
    if UNFINISHED.search(name):
        return Found("is what a run that was killed left of a file", "Remove it.")
    try:
        return look(path, content, Unpacker())
    except TooLarge:
        return Found(
            f"is larger than {LIMIT_BYTES >> 20} MB, unpacked", "Large files are DVC's, not git's."
        )


def main() -> int:
    """Name each file that must not be committed."""
    code = 0
    # The project may be a folder of a larger repository.
    top = git("rev-parse", "--show-toplevel").decode(errors="surrogateescape").rstrip("\n")
    prefix = f"{PROJECT.relative_to(top).as_posix()}/" if Path(top) != PROJECT else ""
    for path, mode, blob in staged():
        if found := check(path.removeprefix(prefix), mode, blob):
            code = 1
            shown = path.encode("unicode_escape", errors="surrogateescape").decode(
                "ascii", "replace"
            )
            print(f"Not committed: {shown}: {found.fact}.\n{found.advice}", file=sys.stderr)
    if code:
        print(
            f"Wrongly stopped? '<path> {ATTRIBUTE}' in .gitattributes lets a file through.",
            file=sys.stderr,
        )
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (InvalidBaselineError, UnableToReadBaselineError, KeyError) as error:
        sys.exit(
            f"Not committed: {BASELINE} can't be read ({type(error).__name__}: {error}). "
            f"'git checkout {BASELINE}' brings back the last one."
        )
