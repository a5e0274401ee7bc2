"""Stage `report`: make the page, MultiQC's section and the pictures of one sample from its tally."""

from pathlib import Path

from ensembl_annotations.cli import reported_errors
from ensembl_annotations.project.paths import running_sample
from ensembl_annotations.report.report import write_report

with reported_errors():
    sample = running_sample()
    write_report(
        Path("data/annotated") / sample / "tally.json", Path("data/reports") / sample, sample
    )
