"""The repository, opened: every command is given it, and asks it for parameters, git and DVC."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ensembl_annotations.project.lock import BrokenLockError, DvcLock, read_lock
from ensembl_annotations.project.paths import LOCK, PARAMS_FILE, asset_of, find_root, stage_of

if TYPE_CHECKING:
    # What a command may do without is imported where it is asked for.
    from ensembl_annotations.project.dvc import Dvc
    from ensembl_annotations.project.git import Repository
    from ensembl_annotations.project.params import Params


@dataclass(frozen=True)
class Project:
    """A repository of the pipeline.

    Attributes
    ----------
    root : Path
        Its folder, as it was given, so that messages name files as the user does. It need not be one:
        then what needs DVC, git or parameters says so.
    """

    root: Path

    @classmethod
    def open(cls, folder: Project | Path | str = Path()) -> Project:
        """Return the repository of DVC that a folder is in; else one that is just the folder."""
        if isinstance(folder, Project):
            return folder
        return cls(find_root(Path(folder)) or Path(folder))

    def resolved(self) -> Project:
        """Return the same with an absolute path; itself, which knows what it has read, where it has one."""
        root = self.root.resolve()
        return self if root == self.root else Project(root)

    @cached_property
    def params(self) -> Params:
        """The parameters, read and checked once.

        Raises
        ------
        UsageError
            Where they are missing or wrong.
        """
        # Here, since pydantic takes a tenth of a second to import, and few commands need it.
        from ensembl_annotations.project.params import load_params

        return load_params(self.root / PARAMS_FILE)

    @property
    def lock(self) -> DvcLock:
        """What ``dvc.lock`` says now, which stages change; nothing where it is missing or broken."""
        with suppress(OSError, BrokenLockError):
            return read_lock((self.root / LOCK).read_bytes())
        return DvcLock({})

    def samples_elsewhere(self, here: Path | None = None) -> list[str]:
        """Return the samples that are somebody else's: ``dvc.lock`` has their VCF, which is not here.

        A VCF that a stage makes is nobody's. `here` is where VCFs are looked for; default the repository.
        """
        root, lock, absent = self.root.resolve(), self.lock, {}
        place = (here or root).resolve()
        for sample, about in self.params.samples.items():
            vcf = os.path.normpath(root / about.vcf)
            read = [root / path for path in lock.deps(stage_of(asset_of(sample)))]
            # A folder of theirs may be closed to this user, who then can't see the file.
            if not os.access(os.path.normpath(place / about.vcf), os.F_OK) and vcf in map(
                os.path.normpath, read
            ):
                absent[sample] = Path(vcf)
        made = self.dvc.outputs() if absent else set()
        return [sample for sample, vcf in absent.items() if vcf not in made]

    @cached_property
    def git(self) -> Repository:
        """The versions of the repository's files.

        Raises
        ------
        UsageError
            Where there is no repository of git, or no git.
        """
        from ensembl_annotations.project.git import Repository

        return Repository(self.root)

    @cached_property
    def dvc(self) -> Dvc:
        from ensembl_annotations.project.dvc import Dvc

        return Dvc(self.root)
