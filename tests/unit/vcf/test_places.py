"""What the places of a great many contigs take; that an index is right is tested with other programs."""

from __future__ import annotations

import tracemalloc

from ensembl_annotations.vcf.order import Run
from ensembl_annotations.vcf.places import DEPTH, Places, TabixIndex, _level

NUM_CONTIGS = 20_000


def test_a_contig_of_a_few_records_takes_little_memory() -> None:
    index = TabixIndex()
    tracemalloc.start()
    for number in range(NUM_CONTIGS):
        run = Run(f"contig{number}", 2, 5, 40_000, True)
        spots = [(0, 4681, 0, 40), (0, 4683, 40, 80)]
        index.add(Places([run], spots, [(0, 0, 0), (0, 2, 40)]), 80 * number)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Two spots of 32 bytes, two rises of 24, a number and a name; arrays grow by an eighth.
    assert taken < 200 * NUM_CONTIGS


def test_the_level_of_a_bin_is_known_by_its_number() -> None:
    # Source: CSIv1 of hts-specs. A level has eight times as many bins as the one above it.
    levels = [level for level in range(DEPTH + 1) for _ in range(8**level)]
    assert list(map(_level, range(len(levels)))) == levels
