"""Results of samples that DVC's cache keeps, by what they were made from.

DVC knows an entry as a whole: it removes the folder before it runs the stage. So each result of many goes to
DVC's cache as soon as it is made, and a *note* beside that cache says what it was made from. Whatever an entry
needs and a note has is linked from the cache, not made again: after a kill, for one sample more, or on the way
back to a former release. Digests are DVC's own, which it takes anew where size, time or inode have changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembl_annotations.common.atomic import write_json
from ensembl_annotations.common.errors import explained_os_errors
from ensembl_annotations.common.json_files import read_object

if TYPE_CHECKING:
    from dvc.repo import Repo

_NOTES = "ensembl-annotations"


def key_of(receipt: Mapping[str, Any]) -> str:
    """Return the digest of what a result is made from."""
    return hashlib.sha256(json.dumps(receipt, sort_keys=True).encode()).hexdigest()


class KeptResults:
    """What DVC's cache keeps of the samples of entries.

    Parameters
    ----------
    repo : Repo
        DVC's own view of the repository, opened.
    cache : Path
        The folder of DVC's cache.
    """

    def __init__(self, repo: Repo, cache: Path) -> None:
        from dvc.fs import localfs

        self._cache, self._state, self._fs = repo.cache.local, repo.state, localfs
        self._notes = cache / _NOTES

    def digest_of(self, path: Path) -> str:
        """Return the MD5 of a file, as DVC knows it: read only where the file is new or has changed."""
        from dvc_data.hashfile.hash import hash_file

        _, found = hash_file(str(path.absolute()), self._fs, "md5", state=self._state)
        return str(found.value)

    def find(self, key: str) -> dict[str, Any] | None:
        """Return the note on a result that DVC's cache has whole; else None."""
        from dvc_objects.errors import ObjectFormatError

        note = read_object(self._note(key))
        files = note.get("files")
        if not isinstance(files, dict):
            return None
        try:
            for md5 in files.values():
                self._cache.check(md5, check_hash=True)
        except (OSError, ObjectFormatError):
            return None
        return note

    def restore(self, note: Mapping[str, Any], folder: Path) -> None:
        """Put a result into a folder: linked as DVC links, copied where it can't. Former files are replaced."""
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_objects.fs.generic import transfer

        files = note["files"]
        paths = [str((folder / name).absolute()) for name in files]
        kept = [self._cache.oid_to_path(md5) for md5 in files.values()]
        with explained_os_errors("restoring a result", folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in paths:
                Path(path).unlink(missing_ok=True)
            transfer(self._cache.fs, kept, self._fs, paths, links=[*self._cache.cache_types])
        digests = [HashInfo("md5", md5) for md5 in files.values()]
        self._state.save_many(zip(paths, digests, [None] * len(paths), strict=True), self._fs)

    def keep(
        self, key: str, folder: Path, names: Iterable[str], content: Mapping[str, Any]
    ) -> None:
        """Keep those files of a result that there are, and then a note on them with more content."""
        files = {name: self.digest_of(folder / name) for name in names if (folder / name).is_file()}
        with explained_os_errors("keeping a result in DVC's cache", folder):
            paths = [str((folder / name).absolute()) for name in files]
            self._cache.add(paths, self._fs, [*files.values()], hardlink=True)
        write_json(self._note(key), {"files": files, **content})

    def _note(self, key: str) -> Path:
        # Not two letters, as DVC's own folders have.
        return self._notes / key[:3] / f"{key[3:]}.json"
