"""``datapackage.json``: what a reference store holds, and whether it is still that.

The file follows Frictionless Data Package v1: `resources` with `path`, `bytes`, `hash`. What a parquet
file is of (`FileIdentity`) is in its footer, too: labels that were changed in the one contradict the
other. Pages of parquet, and blocks of a sequence, have checksums of their own, checked where they are
read; of what these leave *bare* (a footer; a sequence's head and its table of checksums) the SHA-256 is
in ``datapackage.json``, and is checked when a file is opened.
"""

import errno
import hashlib
import json
import os
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from ensembl_annotations._kernel import BadFile, Genes, Sequence2Bit, Table
from ensembl_annotations.common.addresses import is_address
from ensembl_annotations.common.errors import ReferenceStoreError, check_name
from ensembl_annotations.common.hashes import sha256_of
from ensembl_annotations.common.problems import Kind, Problem
from ensembl_annotations.common.words import find_name_problem, listed
from ensembl_annotations.variants.chromosomes import listed_chromosomes
from ensembl_annotations.variants.contigs import HUMAN, assemblies_of_length
from ensembl_annotations.versions import STORE_VERSION

DEMONSTRATION = "mini"
"""The source whose values are incomplete and in places invented."""

FILE_NAME = "datapackage.json"
QUARANTINE = "quarantine.tsv.gz"
RESTORE_HINT = (
    "Run 'ensembl-annotations pull' to get it from the shared remote, 'ensembl-annotations repair' to "
    "mend what is altered, or 'dvc repro fetch_ensembl' to make it again."
)

ROLES = {"alleles": "parquet", "sequence": "2bit", "genes": "genes.parquet"}
"""The kinds of file of a chromosome, and how their names end."""

SCHEMAS = {role: f"{role}.schema.json" for role in ("alleles", "genes")}
"""The files with the columns of a role, which ``datapackage.json`` refers to from each of its files."""

COMMON_FILES = (FILE_NAME, QUARANTINE, *SCHEMAS.values())
"""The names of the files that are of no chromosome."""

_OF_CHROMOSOME = rf".+-chr(.+?)\.(?:{'|'.join(map(re.escape, ROLES.values()))})"

TWOBIT_MAGIC = 0x1A412743
BLOCK_BYTES = 4096
"""Bytes of a sequence that have a checksum."""

OTHER_LAYOUT = "other_layout"
"""The code of the error for a store that another version of the program wrote."""

_MOST_NAMED = 8

IDENTITY_KEY = "ensembl_annotations"
"""Names the identity in the key-value metadata of a parquet file's footer."""


class StoreKind(Kind):
    """What can be wrong with a file of a store."""

    MISSING = "{name} is missing"
    SIZE = "{name} has {found} bytes, expected {expected}"
    FOOTER = "{name} has another footer than described"
    UNREADABLE = "{name} can't be used: {found}"
    UNLABELLED = "{name} does not say in its footer what it is of"
    MISLABELLED = "{name} is of {found} by its own footer, datapackage.json says {expected}"
    ROWS = "{name} has {found} rows, expected {expected}"
    SHA256 = "{name}: SHA-256 is {found}, expected {expected}"


class Origin(NamedTuple):
    """What all files of a store have in common."""

    species: str
    assembly: str
    release: int


class FileIdentity(NamedTuple):
    """What one file of a store is of."""

    species: str
    assembly: str
    release: int
    chromosome: str
    role: str

    @classmethod
    def of(cls, origin: Origin, chromosome: str, role: str) -> Self:
        return cls(*origin, chromosome, role)

    @property
    def file_name(self) -> str:
        return f"{self.species}-chr{self.chromosome}.{ROLES[self.role]}"

    def as_metadata(self) -> dict[str, str]:
        """Return it as the footer has it: the same bytes on every machine."""
        content = {"name": self.file_name, **self._asdict()}
        return {IDENTITY_KEY: json.dumps(content, sort_keys=True)}

    def problem(self, bare: tuple[bytes, bytes]) -> Problem | None:
        """Say in what a file contradicts it, from its `bare_parts`; None where they agree."""
        head, footer = bare
        expected: dict[str, Any] = json.loads(self.as_metadata()[IDENTITY_KEY])
        try:
            if self.role == "sequence":
                found = expected | self._told_by_sequence(head)
            else:
                # As it was written, the only object of a footer that begins so.
                text = footer[footer.index(b'{"assembly"') :]
                found, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
            wrong = [name for name in expected if found[name] != expected[name]]
        except (KeyError, TypeError, ValueError):
            return Problem(self.file_name, StoreKind.UNLABELLED)
        if not wrong:
            return None
        is_of = _labels(found, wrong), _labels(expected, wrong)
        return Problem(self.file_name, StoreKind.MISLABELLED, *is_of)

    def _told_by_sequence(self, head: bytes) -> dict[str, str]:
        """Return what the head of a .2bit file tells: its chromosome, and another assembly by its length."""
        end = 17 + head[16] if len(head) > 16 else 17
        told = {"chromosome": head[17:end].decode("utf-8", "replace")}
        num_bases = int.from_bytes(head[end + 4 : end + 8], "little")
        known = assemblies_of_length(self.chromosome, num_bases) if self.species == HUMAN else []
        return told | {"assembly": known[0]} if known and self.assembly not in known else told


def _labels(content: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name} {str(content[name])[:60]!r}" for name in names)


def chromosome_of(name: str) -> str | None:
    """Return the chromosome of a file by its name; None where it is not of one."""
    match = re.fullmatch(_OF_CHROMOSOME, name)
    return match[1] if match else None


class Resource(NamedTuple):
    """One file of a store; `rows` are those of parquet, or the bases of a sequence."""

    path: Path
    identity: FileIdentity
    num_bytes: int
    sha256: str
    footer_sha256: str
    rows: int

    @property
    def chromosome(self) -> str:
        return self.identity.chromosome

    @property
    def role(self) -> str:
        return self.identity.role


class ReferenceStore:
    """A reference store on disk, opened by its ``datapackage.json``.

    Parameters
    ----------
    folder : Path or str
        The store.

    Raises
    ------
    ReferenceStoreError
        Where there is no store, it can't be read, or its layout has another version.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = folder = Path(folder)
        check_name(folder)
        path = folder / FILE_NAME
        if not folder.is_dir():
            if is_address(folder):
                raise ReferenceStoreError(
                    f"{folder.name}: expected a folder on this machine, found an address.",
                    hint="Fetch or pull the store. 'lookup' of IDs and regions, and scan_reference, read https://… and "
                    "s3://… in place.",
                )
            raise ReferenceStoreError(
                f"{folder}: no such folder; expected a reference store.",
                hint="Make one with 'ensembl-annotations fetch' or 'dvc repro fetch_ensembl'.",
            )
        try:
            content = path.read_bytes()
            self.package: dict[str, Any] = json.loads(content)
            self.digest = hashlib.sha256(content).hexdigest()
            _check_version(path, self.package["store_version"])
            self.release = str(int(self.package["release"]))
            self.release_date: str | None = self.package.get("release_date")
            self.assembly = _checked_name(self.package, "assembly")
            self.species = _checked_name(self.package, "species")
            self.source = _checked_name(self.package, "source")
            self.source_versions: dict[str, str] = self.package.get("source_versions", {})
            self.common = _common_sha256(self.package)
            origin = Origin(self.species, self.assembly, int(self.release))
            self.resources = [
                _resource(folder, origin, entry) for entry in self.package["resources"]
            ]
            if not self.resources:
                raise ValueError("it has no files")
        except FileNotFoundError as error:
            raise ReferenceStoreError(
                f"{folder}: {FILE_NAME} is missing; expected a complete reference store.",
                hint=RESTORE_HINT,
            ) from error
        except (
            OSError,
            ArithmeticError,
            AttributeError,
            KeyError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise ReferenceStoreError(
                f"{path}: not a description of a reference store ({error!r}).",
                hint=RESTORE_HINT,
            ) from error

    @property
    def chromosomes(self) -> list[str]:
        return self.chromosomes_with("alleles")

    def chromosomes_with(self, role: str) -> list[str]:
        """Return the chromosomes that have a file of this kind."""
        return [item.chromosome for item in self.resources if item.role == role]

    def resource(self, chromosome: str, role: str = "alleles") -> Resource | None:
        """Return the file of a chromosome, or None where the store has none."""
        for item in self.resources:
            if item.chromosome == chromosome and item.role == role:
                return item
        return None

    def resources_of(self, chromosomes: Sequence[str] | str | None) -> list[Resource]:
        """Return the files of these chromosomes; of all for None."""
        names = listed_chromosomes(chromosomes)
        return [item for item in self.resources if names is None or item.chromosome in names]

    def check(
        self,
        chromosomes: Sequence[str] | str | None = None,
        find_problems: Callable[[list[Resource]], Iterable[Problem | None]] | None = None,
    ) -> None:
        """Check that the files are there with the right size, rows and columns, and are what they are called.

        Parameters
        ----------
        chromosomes : sequence of str, or str, optional
            Only these; default all.
        find_problems : callable, optional
            Opens files and says what is wrong with each, if anything; by default they are closed again.

        Raises
        ------
        ReferenceStoreError
            Naming the files that are missing or altered, at most 8.

        Notes
        -----
        This reads only what has no checksum of its own. The others are verified where they are read,
        and `verify` hashes whole files.
        """
        wanted = self.resources_of(chromosomes)
        found = find_problems(wanted) if find_problems else map(problem_of, wanted)
        if problems := [problem for problem in found if problem]:
            told = listed(problems, _MOST_NAMED, "; ")
            raise ReferenceStoreError(
                f"{self.folder}: the reference store is not complete: {told}.",
                hint=f"{RESTORE_HINT} Or name the chromosomes you have with --chromosomes.",
            )

    def verify(self, chromosomes: Sequence[str] | str | None = None) -> list[Problem]:
        """Hash every file against the description and return what is wrong.

        Parameters
        ----------
        chromosomes : sequence of str, or str, optional
            Only the files of these; default all, and those of no chromosome.
        """
        names = listed_chromosomes(chromosomes)
        wanted = self.resources_of(names)
        problems = []
        for item in wanted:
            problem = problem_of(item)
            if problem is None and (found := sha256_of(item.path)) != item.sha256:
                problem = Problem(item.path.name, StoreKind.SHA256, found, item.sha256)
            if problem:
                problems.append(problem)
        if names is None:
            problems += [problem for name in self.common if (problem := self._problem_of(name))]
        return problems

    def _problem_of(self, name: str) -> Problem | None:
        try:
            found, expected = sha256_of(self.folder / name), self.common[name]
        except OSError:
            return Problem(name, StoreKind.MISSING)
        return None if found == expected else Problem(name, StoreKind.SHA256, found, expected)


def _common_sha256(package: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the files that are of no chromosome, but of ``datapackage.json`` itself."""
    described = {QUARANTINE: package["quarantine"]}
    described |= {SCHEMAS[role]: item for role, item in package.get("schemas", {}).items()}
    return {name: item["hash"].removeprefix("sha256:") for name, item in described.items()}


def _check_version(path: Path, version: object) -> None:
    if version != STORE_VERSION:
        raise ReferenceStoreError(
            f"{path}: the store's layout has version {version}, this program reads {STORE_VERSION}.",
            hint="To make it again run 'make' in its repository, or 'ensembl-annotations fetch' where it "
            "is of no repository; or use the program that wrote it.",
            code=OTHER_LAYOUT,
        )


def _checked_name(content: Mapping[str, Any], key: str) -> str:
    """Return a name that may come from others, and becomes part of file names and header lines."""
    name = content[key]
    if not isinstance(name, str):
        raise ValueError(f"{key} is {name!r}, expected a name")
    if problem := find_name_problem(name):
        raise ValueError(f"{key} {name[:80]!r} {problem}")
    return name


def _resource(folder: Path, origin: Origin, entry: dict[str, Any]) -> Resource:
    kind, _, digest = entry["hash"].partition(":")
    if kind != "sha256":
        raise ValueError(f"hash of {entry['path']} is {kind}, expected sha256")
    name = entry["path"]
    role, chromosome = entry["role"], _checked_name(entry, "chromosome")
    if role not in ROLES:
        raise ValueError(f"{name} has the role {role!r}")
    identity = FileIdentity.of(origin, chromosome, role)
    if name != identity.file_name:
        raise ValueError(
            f"{name} is listed as {identity.file_name} should be: {role} of {origin.species}, "
            f"chromosome {chromosome}"
        )
    return Resource(
        path=folder / name,
        identity=identity,
        num_bytes=entry["bytes"],
        sha256=digest,
        footer_sha256=entry["footer_sha256"],
        rows=entry["num_rows"],
    )


def footer_sha256(path: Path) -> str:
    """Return the SHA-256 of what the checksums in a file leave bare; see `bare_parts`."""
    with path.open("rb") as handle:
        return bare_sha256(handle)


def bare_sha256(handle: BinaryIO) -> str:
    """Return the SHA-256 of what the checksums in an open file leave bare."""
    digest = hashlib.sha256()
    for part in bare_parts(handle):
        digest.update(part)
    return digest.hexdigest()


def bare_parts(handle: BinaryIO) -> tuple[bytes, bytes]:
    """Return what is not covered by the checksums in a file.

    Returns
    -------
    tuple of (bytes, bytes)
        Of parquet nothing, and the footer; of .2bit the head up to the packed bases, and the table of
        checksums behind them.

    Raises
    ------
    ValueError
        Where a .2bit file is not what it must be.

    Notes
    -----
    Source: Parquet file format (the last 8 bytes are the footer's length and the magic number), and
    the description of .2bit at UCSC.
    """
    end = handle.seek(0, os.SEEK_END)
    handle.seek(0)
    if handle.read(4) != TWOBIT_MAGIC.to_bytes(4, "little"):
        handle.seek(max(end - 8, 0))
        length = int.from_bytes(handle.read(4), "little")
        handle.seek(max(end - 8 - length, 0))
        return b"", handle.read()
    handle.seek(16)
    name_bytes = int.from_bytes(handle.read(1), "little")
    handle.seek(17 + name_bytes + 4)
    try:
        num_bases, num_gaps = struct.unpack("<2I", handle.read(8))
    except struct.error as error:
        raise ValueError("it is cut") from error
    head_bytes = 17 + name_bytes + 4 + 8 + 8 * num_gaps + 8
    packed_bytes = -(-num_bases // 4)
    table_bytes = 4 * -(-packed_bytes // BLOCK_BYTES)
    if head_bytes + packed_bytes + table_bytes != end:
        raise ValueError(f"its head tells of {num_bases} bases, which its size does not fit")
    handle.seek(0)
    head = handle.read(head_bytes)
    handle.seek(end - table_bytes)
    return head, handle.read()


def open_resource(
    handle: BinaryIO, item: Resource, number: int
) -> Table | Sequence2Bit | Genes | Problem:
    """Open a file of a store for look-ups, or say what is wrong with it.

    Parameters
    ----------
    handle : BinaryIO
        The file; it stays open as long as the result is in use.
    item : Resource
    number : int
        By which `BadFile` names it.
    """
    name, end = item.path.name, handle.seek(0, os.SEEK_END)
    if end != item.num_bytes:
        return Problem(name, StoreKind.SIZE, end, item.num_bytes)
    opened: Table | Sequence2Bit | Genes
    try:
        head, tail = bare_parts(handle)
        if hashlib.sha256(head + tail).hexdigest() != item.footer_sha256:
            return Problem(name, StoreKind.FOOTER)
        if problem := item.identity.problem((head, tail)):
            return problem
        if item.role == "sequence":
            opened = Sequence2Bit(handle.fileno(), number, head, tail)
            rows = opened.num_bases
        elif item.role == "genes":
            opened = Genes(handle.fileno(), number, end, tail[:-8])
            rows = opened.num_rows
        else:
            opened = Table(handle.fileno(), number, end, tail[:-8])
            rows = opened.num_rows
    except ValueError as error:
        return Problem(name, StoreKind.UNREADABLE, error)
    except BadFile as error:
        return Problem(name, StoreKind.UNREADABLE, error.why)
    return opened if rows == item.rows else Problem(name, StoreKind.ROWS, rows, item.rows)


def problem_of(item: Resource) -> Problem | None:
    """Open a file of a store, say what is wrong with it, and close it."""
    try:
        with item.path.open("rb") as handle:
            found = open_resource(handle, item, 0)
    except OSError as error:
        return problem_of_error(item, error)
    return found if isinstance(found, Problem) else None


def problem_of_error(item: Resource, error: OSError) -> Problem:
    """Say what is wrong with a file that the system does not give; raise the error where it is not the file's."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise error
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Problem(item.path.name, StoreKind.MISSING)
    return Problem(item.path.name, StoreKind.UNREADABLE, error.strerror or error)
