"""What is counted of every run, with a report or without: functions of the inputs only."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ensembl_annotations._kernel import UNTYPED_KEYS, Result
from ensembl_annotations.annotate.compared import share_known
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.variants.outcomes import IMPACTS, REASONS, TERMS
from ensembl_annotations.vcf.read import Piece
from ensembl_annotations.vcf.untyped import Untyped, all_untyped


class Tally(NamedTuple):
    """Counts of a run, or of a piece of it."""

    num_records: int = 0
    num_alleles: int = 0
    num_exact: int = 0
    num_shifted: int = 0
    num_par: int = 0
    num_id_conflicts: int = 0
    reasons: Counter[str] = Counter()  # noqa: RUF012 (never changed)
    untyped: Mapping[str, Untyped] = {}
    terms: Counter[str] = Counter()  # noqa: RUF012
    num_ref_differs: int = 0

    def plus(self, later: "Tally") -> "Tally":
        """Return the sums of this and the next part."""
        pairs: Iterable[tuple[str, Any, Any]] = zip(self._fields, self, later, strict=True)
        sums: dict[str, Any] = {name: one + more for name, one, more in pairs if name != "untyped"}
        return Tally(**sums, untyped=all_untyped(self.untyped, later.untyped))

    def as_metrics(self, store: ReferenceStore) -> dict[str, Any]:
        """Return the figures of ``metrics/annotate/<sample>.json``."""
        num_compared, percent = share_known(self.num_exact + self.num_shifted, self.reasons)
        return {
            "release": int(store.release),
            "assembly": store.assembly,
            "reference_sha256": store.digest,
            "num_records": self.num_records,
            "num_alleles": self.num_alleles,
            "num_compared": num_compared,
            "num_exact": self.num_exact,
            "num_shifted": self.num_shifted,
            **{f"num_{reason}": self.reasons[reason] for reason in REASONS},
            "num_par": self.num_par,
            "num_id_conflicts": self.num_id_conflicts,
            "num_untyped_values": sum(item.num_calls for item in self.untyped.values()),
            "annotated_percent": percent,
            **(self._impacts() if store.chromosomes_with("genes") else {}),
        }

    def by_severity(self) -> dict[str, int]:
        """Return the ALTs by their most severe term, by severity."""
        return {term: self.terms[term] for term in TERMS if self.terms[term]}

    def _impacts(self) -> dict[str, int]:
        """Return how many ALTs have which impact, by the most severe term of all transcripts."""
        counts = Counter[str]()
        for term, count in self.terms.items():
            counts[TERMS[term]] += count
        named = {f"num_{impact.lower()}_impact": counts[impact] for impact in IMPACTS}
        return {**named, "num_uncalled_ref": self.num_ref_differs}


def tally_of(result: Result, piece: Piece) -> Tally:
    """Return the counts of a piece."""
    return Tally(
        num_records=result.num_records,
        num_alleles=result.num_alleles,
        num_exact=result.num_exact,
        num_shifted=result.num_shifted,
        num_par=result.num_par,
        num_id_conflicts=result.num_conflicts,
        num_ref_differs=result.num_ref_differs,
        terms=Counter(
            {name: count for name, count in zip(TERMS, result.num_terms, strict=True) if count}
        ),
        reasons=Counter(
            {name: count for name, count in zip(REASONS, result.reason, strict=True) if count}
        ),
        untyped={
            key: _untyped(result, piece, number)
            for number, key in enumerate(UNTYPED_KEYS)
            if result.num_untyped[number]
        },
    )


def _untyped(result: Result, piece: Piece, number: int) -> Untyped:
    begin, length = result.untyped_begin[number], result.untyped_length[number]
    value = piece.data[begin : begin + length].decode("utf-8", "replace")
    line = piece.first_line + result.untyped_line[number]
    return Untyped(result.num_untyped[number], line, value)
