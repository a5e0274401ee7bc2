"""The report of an entry, of one VCF or many, from its tally alone: page, section for MultiQC, two pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ensembl_annotations.common.atomic import Outputs
from ensembl_annotations.common.errors import UsageError, explained_os_errors
from ensembl_annotations.report.charts import Chart
from ensembl_annotations.report.page import PAGE
from ensembl_annotations.report.samples import samples_page
from ensembl_annotations.report.summary import (
    contig_chart,
    contig_counts,
    frequency_chart,
    multiqc_section,
    summary_page,
)
from ensembl_annotations.report.tally import EntryTally, Tally, read_tally

MULTIQC = "_mqc.json"


def write_page(tally: Path | str, page: Path | str) -> None:
    """Write the page of a run, one file of HTML, from its tally.

    Parameters
    ----------
    tally : Path or str
        ``tally.json``, as `annotate_vcf` wrote it.
    page : Path or str
        The file to write.

    Raises
    ------
    InputError
        Where the tally can't be read as one.
    """
    with explained_os_errors("writing the report"):
        content = _parts(read_tally(Path(tally)), "").page
        with Outputs() as outputs:
            outputs.write_text(Path(page), content)


def write_report(tally: Path | str, folder: Path | str, name: str) -> None:
    """Write the whole report: ``summary.html``, ``<name>_mqc.json``, ``contigs.svg``, ``frequencies.svg``.

    Parameters
    ----------
    tally : Path or str
        ``tally.json``, as `annotate_vcf` wrote it.
    folder : Path or str
        Where to write.
    name : str
        What the page and MultiQC call the sample.

    Raises
    ------
    InputError
        Where the tally can't be read as one.
    UsageError
        For a name that is no part of a file's name.

    Examples
    --------
    >>> from ensembl_annotations import annotate_vcf
    >>> made = annotate_vcf(
    ...     "data/vcf/sample.vcf.gz", "data/ensembl_annotations", out_vcf="me.vcf.gz", tally="tally.json"
    ... )
    >>> write_report("tally.json", "report", "me")
    """
    folder = Path(folder)
    if not name or Path(name).name != name:
        raise UsageError(f"--name: expected a name to put into that of a file, found {name!r}.")
    with explained_os_errors("writing the report"):
        parts = _parts(read_tally(Path(tally)), name)
        with Outputs() as outputs:
            outputs.write_text(folder / PAGE, parts.page)
            outputs.write_text(folder / f"{name}{MULTIQC}", parts.multiqc)
            outputs.write_text(folder / "contigs.svg", parts.contigs.file())
            outputs.write_text(folder / "frequencies.svg", parts.frequencies.file())


@dataclass(frozen=True)
class _Parts:
    """What a report consists of."""

    page: str
    multiqc: str
    contigs: Chart
    frequencies: Chart


def _parts(tally: Tally | EntryTally, name: str) -> _Parts:
    if isinstance(tally, EntryTally):
        rows = {str(row["sample"]): row for row in tally.samples}
        return _Parts(
            samples_page(tally, name),
            multiqc_section(rows, tally.release, tally.assembly),
            contig_chart(tally.contigs),
            frequency_chart(tally.frequencies),
        )
    metrics = tally.metrics
    return _Parts(
        summary_page(tally, name),
        multiqc_section({name: metrics}, metrics["release"], metrics["assembly"]),
        contig_chart(contig_counts(tally)),
        frequency_chart(tally.frequencies),
    )
