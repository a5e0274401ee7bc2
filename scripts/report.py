"""Stage `report`: make the page, MultiQC's section and the pictures of one sample from its tally."""

from ensembl_annotations.cli import reported_errors
from ensembl_annotations.project.folders import refuse_links
from ensembl_annotations.project.paths import ANNOTATED, REPORTS, TALLY, running_sample
from ensembl_annotations.project.project import Project
from ensembl_annotations.report.report import write_report

with reported_errors():
    sample = running_sample()
    out = REPORTS / sample
    refuse_links(Project.open(), out)
    write_report(ANNOTATED / sample / TALLY, out, sample)
