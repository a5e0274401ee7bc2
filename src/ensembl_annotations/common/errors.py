"""One error type for everything a user can meet, and how it reads."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Options of a command in quotes stay: they are for a terminal.
_OPTION = r"((?<!\w)'[^']*')|(?<![\w-])--([a-z][a-z-]*)"
_ARGUMENTS = {"id": "id_column", "base-url": "mirrors"}


def _argument(option: str) -> str:
    return _ARGUMENTS.get(option, option.replace("-", "_"))


class EnsemblAnnotationsError(Exception):
    """A failure that is explained to the user instead of shown as a traceback.

    Parameters
    ----------
    message : str
        The fact: where (file and line), what was expected, what was found.
    hint : str, optional
        What to do next, one imperative sentence.
    code : str, optional
        A stable, lower-case word for logs; default the class's. What is caught is told by its class.

    Notes
    -----
    ``exit_code`` is 1 for a failed run; subclasses for usage and parameters have 2.
    """

    exit_code = 1
    default_code = "failed"

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        """Return it for whoever called from Python: options are named as arguments."""
        import re

        text = f"{self.message} {self.hint}" if self.hint else self.message
        return re.sub(_OPTION, lambda found: found[1] or _argument(found[2]), text)


class UsageError(EnsemblAnnotationsError):
    """Wrong arguments or parameters: nothing was tried."""

    exit_code = 2
    default_code = "usage"


class InputError(EnsemblAnnotationsError):
    """The user's VCF can't be used as it is."""

    default_code = "bad_input"


class PassingInputError(InputError):
    """The user's VCF can't be used in this run, but may be in another: it says nothing about the VCF.

    It changes while it is read, or takes more memory than the run may use.
    """


class ReferenceStoreError(EnsemblAnnotationsError):
    """A reference store is incomplete, altered, or of another version."""

    default_code = "bad_reference"


class SourceError(EnsemblAnnotationsError):
    """What Ensembl (or a mirror) gave us can't be used."""

    default_code = "bad_source"


class NotPublishedError(SourceError):
    """A mirror says that it does not have a file."""

    default_code = "not_found"


class WrongAssemblyError(SourceError):
    """What a mirror publishes is of another assembly."""

    default_code = "assembly"


class ChecksumError(SourceError):
    """A mirror's file is not what its CHECKSUMS says."""

    default_code = "checksum"


class SizeError(SourceError):
    """A mirror's file has not the size that its CHECKSUMS says."""

    default_code = "size"


def explain_os_error(error: OSError, path: Path | str, doing: str) -> EnsemblAnnotationsError:
    """Turn an operating-system error met while `doing` something to `path` into ours.

    Parameters
    ----------
    error : OSError
        What was raised.
    path : Path or str
        The file or folder concerned; the error's own file name wins when it has one.
    doing : str
        A present participle, such as ``"writing"``.
    """
    where = error.filename or path or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnsemblAnnotationsError(
            f"{where}: the disk is full (while {doing}).",
            hint="Free some space or choose another folder, then run the command again; no incomplete file has a final name.",
            code="disk_full",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return EnsemblAnnotationsError(
            f"{where}: permission denied (while {doing}).",
            hint="Choose a folder you can write to, or change its permissions.",
            code="permission",
        )
    hint = (
        "Let more files be open at a time: 'ulimit -n 1024'." if error.errno == errno.EMFILE else ""
    )
    return EnsemblAnnotationsError(
        f"{where}: {error.strerror or error} (while {doing}).", hint=hint, code="os_error"
    )


def check_name(path: Path) -> None:
    """Refuse a path that is not UTF-8: the libraries for parquet files can't open it.

    Raises
    ------
    UsageError
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{path}: the name is not UTF-8.", hint="Rename the file or folder."
        ) from error


@contextmanager
def explained_os_errors(doing: str, path: Path | str = "") -> Iterator[None]:
    """Turn an operating-system error that nothing else explains into ours; see `explain_os_error`."""
    try:
        yield
    except OSError as error:
        raise explain_os_error(error, path, doing) from error


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the end of a message on an unknown name: the one that was meant, or all there are."""
    import difflib

    folded = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return f" Did you mean {folded[close[0]]!r}?" if close else f" Known: {', '.join(known)}."
