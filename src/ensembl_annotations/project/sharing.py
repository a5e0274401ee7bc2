"""Share the reference through a DVC remote: publish and pull it, find and mend what is damaged."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ensembl_annotations.common.addresses import is_address
from ensembl_annotations.common.errors import EnsemblAnnotationsError, UsageError
from ensembl_annotations.common.progress import format_bytes
from ensembl_annotations.common.words import count_files, listed
from ensembl_annotations.project.folders import refuse_foreign
from ensembl_annotations.project.materialize import fetch_options, plan_materialize
from ensembl_annotations.project.paths import FETCH, STORE
from ensembl_annotations.project.project import Project
from ensembl_annotations.project.remote import (
    ListedFile,
    Problems,
    RemoteAlteredError,
    RemoteMissingError,
    SharedKind,
    SharedReference,
)
from ensembl_annotations.store.copies import copy_store
from ensembl_annotations.store.describe import chromosome_of

_LOG = logging.getLogger(__name__)

# Where chromosomes are made again; ignored by git.
_LEFTOVER = STORE.with_name(f".{STORE.name}.repair")
# Where the index of what is published is made; ignored by git, too.
_IN_PLACE = STORE.with_name(f".{STORE.name}.in-place")
_LOOK_AGAIN_SEC = (1, 4)
_ASK_THE_WRITER = (
    "Ask who publishes the remote to run 'ensembl-annotations repair --content' there."
)


def publish(project: Project, in_place: str | None = None) -> dict[str, Any]:
    """Push the reference to its remote, and make sure that all of it has arrived.

    Parameters
    ----------
    project : Project
    in_place : str, optional
        A folder or ``s3://…``, which gets the same files by their names, and the index by ID beside it: for
        programs that read them where they are.

    Returns
    -------
    dict
        ``remote``, ``url``, ``num_files``, ``total_bytes``, ``num_pushed``; with `in_place` also
        ``in_place``, what `copy_store` returns.

    Raises
    ------
    EnsemblAnnotationsError
        Where a file is altered, does not fit, or has not arrived; it is named. `UsageError` where
        there is nothing to publish.

    Notes
    -----
    Only the reference is pushed: no sample, and no record of runs, since those name samples. Every
    file is read and compared with ``datapackage.json`` before. Sizes are compared after.
    """
    shared = SharedReference(project)
    shared.refuse_altered_list()
    pieces = shared.pieces()
    _raise_for(
        shared.local_problems(pieces), "Nothing was pushed. 'ensembl-annotations repair' mends it."
    )
    shared.check_described(pieces)
    everything = [*pieces, shared.list_piece]
    sizes = {piece: shared.cached(piece).stat().st_size for piece in everything}
    before = shared.remote_problems(everything)
    if shared.list_piece not in before:
        before |= shared.altered_in_remote([shared.list_piece])
    shared.check_bucket()
    shared.check_room(sum(sizes[piece] for piece in before))
    num_pushed = sum(piece in before for piece in pieces)
    _LOG.info(
        f"{count_files(len(pieces))} verified, {format_bytes(sum(sizes.values()))}; to push: {num_pushed}."
    )
    shared.push([*before])
    _raise_for(_not_arrived(shared, everything), "Publish again.")
    done = {
        "remote": shared.remote,
        "url": shared.url,
        "num_files": len(pieces),
        "total_bytes": sum(sizes.values()),
        "num_pushed": num_pushed,
    }
    if in_place is not None:
        done["in_place"] = _copy_in_place(shared, pieces, in_place)
    return done


def _not_arrived(shared: SharedReference, pieces: list[ListedFile]) -> Problems:
    """Return what is wrong with pieces in the remote, after a while too.

    DVC removes what another run has put there before it writes the same: it is missing in between.
    """
    problems = shared.remote_problems(pieces)
    for wait_sec in _LOOK_AGAIN_SEC:
        if not problems:
            break
        time.sleep(wait_sec)
        problems = shared.remote_problems([*problems])
    return problems


def _copy_in_place(
    shared: SharedReference, pieces: list[ListedFile], target: str
) -> dict[str, int]:
    """Copy what was published, not what the workspace has; its index is made for it, so it is never an older one."""
    here = shared.project.root / STORE
    if not is_address(target) and Path(target).resolve() == here.resolve():
        raise UsageError(
            f"{target}: is the reference of this repository, which DVC keeps.",
            hint="Give another folder.",
        )
    work = shared.project.root / _IN_PLACE
    shutil.rmtree(work, ignore_errors=True)
    try:
        store = work / STORE.name
        store.mkdir(parents=True)
        for piece in pieces:
            (store / piece.name).symlink_to(shared.cached(piece).absolute())
        _LOG.info(f"Copied with its index, to be read in place: {target}.")
        return copy_store(store, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def pull(project: Project, chromosomes: Sequence[str] | None = None) -> dict[str, Any]:
    """Take the reference from its remote, after a check of the list of files that DVC goes by.

    Parameters
    ----------
    project
        As in `publish`.
    chromosomes : sequence of str, optional
        Only the files of these and ``datapackage.json``; default all.

    Returns
    -------
    dict
        ``remote``, ``url``, ``num_files``: how many files were asked for.

    Raises
    ------
    EnsemblAnnotationsError
        Where the list is not the one of ``dvc.lock``, or names other files than a store's; nothing
        is written then. Or where DVC fails; it has said why. `UsageError` for an unknown chromosome.

    Notes
    -----
    DVC compares the MD5 of each file, since ``.dvc/config`` has ``verify = true``, but not the list's.
    """
    shared = SharedReference(project)
    shared.refuse_altered_list()
    refuse_foreign(shared.project, STORE)
    shared.prepare_dvc()
    names = [piece.name for piece in shared.pieces()]
    targets = [FETCH]
    if chromosomes is not None:
        names = shared.names_of(chromosomes)
        targets = [str(STORE / name) for name in names]
    _LOG.info(f"$ dvc pull {listed(targets, 1)}")
    if shared.project.dvc.run("pull", *targets):
        raise EnsemblAnnotationsError(
            "'dvc pull' of the reference failed; what went wrong is printed above.",
            hint="'ensembl-annotations repair' finds what is damaged.",
        )
    return {"remote": shared.remote, "url": shared.url, "num_files": len(names)}


def repair(project: Project, *, content: bool = False) -> dict[str, Any]:
    """Find damaged files of the reference, in DVC's cache and in the remote, and mend them.

    Parameters
    ----------
    project
        As in `publish`.
    content : bool
        Read what the remote has, too; else only sizes are compared there, and the list of files.

    Returns
    -------
    dict
        ``remote``, ``url``, ``num_files``; ``local``, ``in_remote``: names of the files that were
        mended in DVC's cache and in the remote; ``restored``: of others, that the workspace lacked
        or had otherwise; ``published``: False where the remote has none of the files.

    Raises
    ------
    EnsemblAnnotationsError
        Naming what could be mended from nowhere, or a remote that gives no answer.

    Notes
    -----
    A file of the cache is taken from the workspace where that has it, else from the remote. Where
    the remote lacks it, or has it altered, its chromosome (or, where it is of none, the whole
    reference) is made again from what Ensembl published, which gives the same bytes. What the remote lacks or has altered is pushed again, if it has any.
    """
    shared = SharedReference(project)
    shared.refuse_strays()
    refuse_foreign(shared.project, STORE)
    _remove_leftover(shared)
    bad_there: Problems = {}
    # The list of files first: it says which there are.
    list_problem = shared.local_problems([shared.list_piece])
    # DVC would keep an altered one, and act by it.
    shared.drop(shared.list_piece)
    try:
        pieces = shared.pieces()
    except EnsemblAnnotationsError as error:
        _only_if_lost(error)
        _LOG.info(error.message)
        if isinstance(error, RemoteAlteredError):
            bad_there[shared.list_piece] = error.problem
        _make_again(shared)
        pieces = shared.pieces()
    damaged = shared.local_problems(pieces)
    lost, named = [], set()
    for piece, problem in damaged.items():
        _LOG.info(f"{problem}.")
        shared.drop(piece)
        if shared.adopt(piece):
            continue
        try:
            shared.restore(piece)
        except EnsemblAnnotationsError as error:
            _only_if_lost(error)
            _LOG.info(error.message)
            lost.append(piece)
            if isinstance(error, RemoteAlteredError):
                bad_there[piece] = error.problem
                named.add(piece)
    if lost and (lost := _fetch_again(shared, lost)):
        _make_again(shared)
    restored = [piece.name for piece in pieces if shared.differs_in_workspace(piece)]
    shared.prepare_dvc()
    if shared.project.dvc.run("checkout", FETCH, "--quiet", "--force"):
        raise EnsemblAnnotationsError(f"'dvc checkout {FETCH}' failed; see above.")
    _raise_for(shared.local_problems(pieces), "Free space or check the disk, then run it again.")
    shared.check_bucket()
    everything = [*pieces, shared.list_piece]
    problems = shared.remote_problems(everything)
    is_cut = any(problem.kind is SharedKind.CUT_THERE for problem in problems.values())
    published = is_cut or len(problems) < len(everything)
    if published:
        bad_there |= problems
        # The list is small, and says what all others pull.
        read = everything if content else [shared.list_piece]
        there = [piece for piece in read if piece not in problems]
        bad_there |= shared.altered_in_remote(there)
        for piece, problem in bad_there.items():
            if piece not in named:
                _LOG.info(f"{problem}.")
    if bad_there:
        _push_again(shared, bad_there)
    return {
        "remote": shared.remote,
        "url": shared.url,
        "num_files": len(pieces),
        "local": sorted(piece.name for piece in (*damaged, *list_problem)),
        "restored": sorted(set(restored) - {piece.name for piece in damaged}),
        "in_remote": sorted(piece.name for piece in bad_there),
        "published": published,
    }


def _only_if_lost(error: EnsemblAnnotationsError) -> None:
    """Raise an error that says nothing of the file, such as of credentials."""
    if not isinstance(error, RemoteMissingError | RemoteAlteredError):
        error.hint = (
            f"{error.hint} Or make the reference again from what Ensembl published: "
            f"'dvc repro --force --single-item {FETCH}'."
        )
        raise error


def _fetch_again(shared: SharedReference, lost: list[ListedFile]) -> list[ListedFile]:
    """Make the chromosomes of some files from what Ensembl published; return what still is lost."""
    # Here, since it takes long to import, and few repairs need it.
    from ensembl_annotations.fetch import fetch_ensembl

    named = [chromosome_of(piece.name) for piece in lost]
    chromosomes = sorted({name for name in named if name})
    if not all(named):
        return lost
    _refuse_stale(shared)
    _LOG.info(f"Made again from what Ensembl published: chromosomes {', '.join(chromosomes)}.")
    wanted = shared.project.params.ensembl
    out = shared.project.root / _LEFTOVER
    options = fetch_options(shared.project) | {"out": out, "chromosomes": chromosomes}
    try:
        fetch_ensembl(
            **options,
            source=wanted.source,
            max_bad_percent=wanted.max_bad_percent,
        )
        return [piece for piece in lost if not shared.adopt(piece, out)]
    finally:
        _remove_leftover(shared)


def _remove_leftover(shared: SharedReference) -> None:
    shutil.rmtree(shared.project.root / _LEFTOVER, ignore_errors=True)


def _refuse_stale(shared: SharedReference) -> None:
    if not shared.is_current:
        raise EnsemblAnnotationsError(
            "dvc.lock was made with other parameters, inputs or another version (STORE_VERSION) than are "
            "here: making the reference again would give another one.",
            hint="Take back what is not committed ('git stash'), then run it again; or, to have the "
            f"other reference, run 'dvc repro {FETCH}'.",
        )


def _make_again(shared: SharedReference) -> None:
    _refuse_stale(shared)
    _LOG.info("The reference is made again from what Ensembl published:")
    for line in plan_materialize(project=shared.project):
        _LOG.info(line)
    dvc = shared.project.dvc
    with dvc.kept_outputs():
        if dvc.run("repro", "--force", "--single-item", FETCH):
            raise EnsemblAnnotationsError(
                "The reference could not be made again; what went wrong is printed above.",
                hint=_ASK_THE_WRITER,
            )


def _push_again(shared: SharedReference, pieces: Problems) -> None:
    try:
        shared.push([*pieces])
        publish(shared.project)
    except EnsemblAnnotationsError as error:
        raise EnsemblAnnotationsError(
            f"{error.message}\nThe files here are whole; remote {shared.remote!r} ({shared.url}) "
            f"was not mended: {len(pieces)} of its files are wrong, named above.",
            hint=f"{_ASK_THE_WRITER} {error.hint}",
            code=error.code,
        ) from error


def _raise_for(problems: Problems, hint: str) -> None:
    if problems:
        lines = [f"{problem}." for problem in problems.values()]
        raise EnsemblAnnotationsError("\n".join(lines), hint=hint, code="altered")
