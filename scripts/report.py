"""Stage `report`: make the page, MultiQC's section and the pictures of one sample from its tally."""

import sys
from pathlib import Path

from ensembl_annotations.cli import reported_errors
from ensembl_annotations.report.report import write_report

sample = sys.argv[1]
with reported_errors():
    write_report(
        Path("data/annotated") / sample / "tally.json", Path("data/reports") / sample, sample
    )
