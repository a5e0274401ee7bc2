"""What else a mirror has: the releases and species that do exist, told from its folders."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from urllib.parse import unquote, urljoin, urlsplit

from ensembl_annotations.common.addresses import without_credentials
from ensembl_annotations.common.errors import NotPublishedError, SourceError
from ensembl_annotations.common.words import find_name_problem, listed
from ensembl_annotations.fetch.layouts import CHECKSUMS, Layout
from ensembl_annotations.fetch.mirrors import (
    folder_of,
    open_mirror,
    url_of,
)

NUM_NEIGHBOURS = 3
_MAX_PAGE_BYTES = 4 << 20
_NUM_NAMED = 8
# Every part has a limit, so that no page takes long.
_HREF = re.compile(
    r"""<a\s[^>]{0,200}?href\s{0,9}=\s{0,9}(?:"([^"]{0,500})"|'([^']{0,500})'|([^\s"'>]{1,500}))""",
    re.IGNORECASE,
)


def list_folders(mirror: str, folder: str) -> list[str]:
    """Return the names of a mirror's folders within `folder`; empty where it does not say.

    Notes
    -----
    Of an http server the page is read that nginx, Apache and others make of a folder: only its
    links to folders right below count. Any other page has none. It is asked once.
    """
    base = folder_of(mirror)
    if base is not None:
        try:
            return sorted(path.name for path in (base / folder).iterdir() if path.is_dir())
        except OSError:
            return []
    relative = f"{folder}/" if folder else ""
    try:
        text = _read_page(mirror, relative)
    except SourceError:
        return []
    return sorted(_linked_folders(text, url_of(mirror, relative)))


def _read_page(mirror: str, relative: str) -> str:
    content = b""
    with open_mirror(mirror, relative) as pieces:
        for piece in pieces:
            content += piece
            if len(content) > _MAX_PAGE_BYTES:
                break
    return content.decode("utf-8", "replace")


def _linked_folders(text: str, url: str) -> set[str]:
    here = urlsplit(url)
    names = set()
    for match in _HREF.finditer(text):
        href = html.unescape(match[1] or match[2] or match[3] or "")
        try:
            target = urlsplit(urljoin(url, href))
        except ValueError:
            continue
        below = target.path.removeprefix(here.path)
        if target.netloc == here.netloc and target.path != below and below.endswith("/"):
            name = unquote(below[:-1])
            if find_name_problem(name) is None:
                names.add(name)
    return names


def list_releases(mirror: str, layout: Layout) -> list[int]:
    """Return the releases that a mirror's listing shows; empty where there is none."""
    found = {layout.release_of(name) for name in list_folders(mirror, layout.releases_folder)}
    return sorted(number for number in found if number is not None)


def has_release(mirror: str, layout: Layout) -> bool:
    """Ask, once, whether a mirror has the list of a species' variation files.

    Raises
    ------
    SourceError
        Where it gives no answer to that.
    """
    try:
        with open_mirror(mirror, f"{layout.vcf_folder}/{CHECKSUMS}") as pieces:
            begin = next(iter(pieces), b"")
    except NotPublishedError:
        return False
    # A page that stands for every address says nothing.
    return re.match(rb"\s*[0-9]+\s+[0-9]+\s+\S", begin) is not None


def has_variation(mirror: str, layout: Layout) -> bool:
    """Tell whether a mirror shows variation of a species, though it may have no list of its files.

    By its listing; where it gives none, by the files that a release usually has.
    """
    if folders := list_folders(mirror, layout.species_folder):
        return layout.species in folders
    return any(_is_there(mirror, f"{layout.vcf_folder}/{name}") for name in layout.usual_vcfs)


def _is_there(mirror: str, relative: str) -> bool:
    try:
        with open_mirror(mirror, relative) as pieces:
            return any(pieces)
    except SourceError:
        return False


def probe(mirror: str, layouts: Iterable[Layout]) -> list[Layout]:
    """Return those that a mirror has; stops where it no longer answers."""
    found = []
    with suppress(SourceError):
        for layout in layouts:
            if has_release(mirror, layout):
                found.append(layout)
    return found


def explain_missing(mirrors: Sequence[str], layout: Layout) -> str:
    """Say what mirrors that do not have this species and release have in its place.

    Parameters
    ----------
    mirrors : sequence of str
        Those that answered that there is no such file.
    layout : Layout
        What was asked for.

    Notes
    -----
    At most three listings of each mirror are read; where none has one, the first is asked for
    the releases near this one, at most seven requests.
    """
    for mirror in mirrors:
        if text := _from_listing(mirror, layout):
            return text
    return _from_probes(mirrors[0], layout) if mirrors else ""


def _from_listing(mirror: str, layout: Layout) -> str | None:
    shown = without_credentials(mirror)
    releases = list_releases(mirror, layout)
    if layout.release not in releases:
        others = [
            other.assembly
            for other in layout.other_assemblies()
            if layout.release in list_releases(mirror, other)
        ]
        return _describe_found(shown, layout, others, releases) or None
    species = list_folders(mirror, layout.species_folder)
    if not species:
        return f"{shown} has release {layout.release}, but lists no variation data in it."
    if layout.species in species:
        return f"{shown} has a folder of {layout.species} in release {layout.release}, without {CHECKSUMS}."
    close = difflib.get_close_matches(layout.species, species, n=3)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    return f"{shown} has in release {layout.release} the species {listed(species, _NUM_NAMED)}."


def _from_probes(mirror: str, layout: Layout) -> str:
    numbers = [
        layout.release + sign * step for step in range(1, NUM_NEIGHBOURS + 1) for sign in (-1, 1)
    ]
    wanted = [
        *layout.other_assemblies(),
        *(layout.at_release(number) for number in numbers if number > 0),
    ]
    found = probe(mirror, wanted)
    shown = without_credentials(mirror)
    others = [item.assembly for item in found if item.release == layout.release]
    releases = sorted(item.release for item in found if item.release != layout.release)
    return _describe_found(shown, layout, others, releases, begin="Near it, ")


def _describe_found(
    shown: str, layout: Layout, others: Sequence[str], releases: Sequence[int], begin: str = ""
) -> str:
    parts = []
    if others:
        parts.append(f"{shown} has release {layout.release} for {' and '.join(others)}.")
    if releases:
        parts.append(f"{begin}{shown} has for {layout.assembly} {describe_releases(releases)}.")
    return " ".join(parts)


def describe_releases(releases: Sequence[int]) -> str:
    """Return numbers in words: ``releases 93 to 95, 116``."""
    runs: list[list[int]] = [[releases[0]]]
    for before, number in pairwise(releases):
        if number == before + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = []
    for run in runs[-_NUM_NAMED:]:
        if len(run) > 2:
            texts.append(f"{run[0]} to {run[-1]}")
        else:
            texts += map(str, run)
    return f"release{'s' if len(releases) > 1 else ''} {', '.join(texts)}"
