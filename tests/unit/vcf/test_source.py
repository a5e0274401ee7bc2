from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psutil
import pysam.bcftools
import pytest

from ensembl_annotations.common.errors import PassingInputError
from ensembl_annotations.vcf.source import Source
from tests.support.vcf import plain_vcf, record, written


def test_a_line_that_a_killed_bcftools_cut_is_none(tmp_path: Path) -> None:
    vcf = written(tmp_path, plain_vcf(record(info="."), lines=[f"##note={'x' * 1_000_000}"]))
    bcf = tmp_path / "in.bcf"
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(vcf), catch_stdout=False)
    others = {*psutil.Process().children()}
    source = Source(bcf)
    # It waits for room in the pipe, in the middle of the long line.
    while not (line := source.readline()).startswith(b"##FILTER"):
        assert line.startswith(b"##fileformat")
    (bcftools,) = {*psutil.Process().children()} - others
    bcftools.kill()
    with pytest.raises(PassingInputError, match="ended by signal 9"):
        source.readline()
    source.close()


def test_a_bcftools_that_python_could_not_run_says_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bcf = tmp_path / "in.bcf"
    vcf = written(tmp_path, plain_vcf(record(info=".")))
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(vcf), catch_stdout=False)
    (tmp_path / "pysam.py").write_text("raise MemoryError('no room')\n")
    # What lies in the current folder is not run.
    monkeypatch.chdir(tmp_path)
    with closing(Source(bcf)) as source:
        assert source.readline().startswith(b"##fileformat")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        closing(Source(bcf)) as source,
        pytest.raises(PassingInputError, match="MemoryError: no room"),
    ):
        source.readline()
