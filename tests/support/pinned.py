"""What each version of ``versions.py`` stands for: digests of what the pipeline makes, pinned.

Made are a store, annotated outputs and a report, of the embedded mirror and of a small release that holds
what real ones hold seldom. Digests are of decoded content, schemas and the layout's settings, never of
bytes of files: those change with the libraries that write them.

``python -m tests.support.pinned`` pins anew, unless content has changed and its version has not.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ensembl_annotations import annotate_vcf, fetch_ensembl, versions, write_report
from ensembl_annotations.store.sequence import load_sequence
from ensembl_annotations.variants.schema import ROW_GROUP_ROWS
from tests.conformance.reference import RECORDS
from tests.support.mirror import Row, with_refs, write_mirror

REPO = Path(__file__).resolve().parents[2]
FILE = REPO / "tests" / "versions.json"
COMMAND = ".venv/bin/python -m tests.support.pinned"
VERSIONS = {
    "STORE_VERSION": "the reference store",
    "ENGINE_VERSION": "the annotated outputs",
    "REPORT_VERSION": "the report",
}
"""In the order of the lineage: where one changes, what follows is made again anyway."""

Pins = dict[str, dict[str, Any]]
"""By version: its number as ``version``, and the digest of each part, by its name."""

# --- A release with what is seldom ---------------------------------------------------------------

ODD: dict[str, list[Row]] = {
    "1": [
        (100, "rs101", "", "A", "dbSNP_156;MA=A;MAF=0.1"),
        (110, "rs102", "a", "G", "dbSNP_156;CLIN_pathogenic;MA=A;MAF=0.1"),
        (120, "rs103", "A", "G", "dbSNP_156;MA=A;MAF=0.1"),
        (120, "rs103", "A", "G", "dbSNP_156;CLIN_benign;CLIN_pathogenic"),
        (130, "rs104", "A", "G", "dbSNP_156;E_;E_Freq;CLIN_benign;CLIN_a|b"),
        (140, "rs105", "A", "G", f"dbSNP_156;MAC={'9' * 5000}"),
        (150, "rs106", "A", "G", "dbSNP_157;E_gnomAD;;AA=A"),
        (160, "CM1", "A", "HGMD_MUTATION", "HGMD-PUBLIC_20204"),
        (170, "CM2", "A", "R", "HGMD-PUBLIC_20204"),
        (180, "COSV1", "AN", "A", "COSMIC_99"),
        (190, "rs107", "A", ".", "dbSNP_156"),
        (200, "rs108", "A", "A", "dbSNP_156"),
        (210, "rs109", "A", "<DEL>", "dbSNP_156"),
        (220, "rs4294967296", "A", "G", "dbSNP_156;MA=G;MAF=1e-05"),
        (230, "rs007", "A", "C,G,T", "dbSNP_156;MA=T;MAF=0.25;MAC=1252"),
        (240, "rs110", "A", "A" + "ACGT" * 2500, "dbSNP_156;TSA=insertion"),
        (300, "rs111", "ACGTACGTAC" * 30, "A", "dbSNP_156;TSA=deletion;CLIN_uncertain_significance"),
        (700, "rs112", "TT", "T,TTTT", "dbSNP_156;MA=TT;MAF=0.25"),
        (710, "rs113", "T", "TT", "dbSNP_156;MA=TT;MAF=0.125;CLIN_likely_pathogenic"),
        (720, "x rs5", "A", "G", "."),
        (730, ".", "A", "G", "dbSNP_156"),
        (740, "rs114", "A", ",".join("A" * size for size in range(2, 302)), "dbSNP_156"),
    ],
    "X": [
        (10_001, "rs12", "C", "T", "dbSNP_156"),
        (20_000, "rs10", "A", "G", "dbSNP_156;MA=G;MAF=0.5"),
        (20_010, "rs13", "G", "GAT", "dbSNP_156"),
    ],
    "Y": [(20_000, "rs10", "A", "G", "dbSNP_156"), (20_005, "rs14", "A", "T", "dbSNP_156")],
}  # fmt: skip
_RANDOM = "2"
_FLAGS = ["dbSNP_156", "HGMD-PUBLIC_20204", "E_Freq", "E_gnomAD", "CLIN_pathogenic", "CLIN_benign",
          "CLIN_risk_factor", "CLIN_drug_response", "XYZ", ""]  # fmt: skip
_VALUES = ["TSA=SNV", "TSA=indel", "MA=A", "MA=C", "MA=AC", "MA=-", "MAF=0.25", "MAF=0", "MAF=.5",
           "MAF=high", "MAC=7", "MAC=007", "AA=A", "AA=ACA", "AA=", "XYZ=1"]  # fmt: skip
_CALLS = ["0/1:9", "1|1:.", "./.:3", "0/0", "1:x", "0/2:4"]
_HG19 = "hg19's MT"
_QUERY = {"MT": "chrM", _HG19: "M"}
"""How contigs are spelled in the queries. ``M`` has the length of another sequence: it is refused."""


class Dice:
    """Choices that are the same with every version of Python: only `random` itself is promised to be."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, number: int) -> int:
        """Return one of 0 to `number` - 1."""
        return int(self._random.random() * number)

    def one_of(self, values: Sequence[str]) -> str:
        return values[self.below(len(values))]

    def some_of(self, values: Sequence[str], number: int) -> list[str]:
        return [self.one_of(values) for _ in range(number)]


def random_rows(sequence: str, number: int, dice: Dice) -> list[Row]:
    """Return records whose REFs are the sequence's: SNVs, and indels in repeats, with odd INFO."""
    rows: list[Row] = []
    for index in range(number):
        pos = 1 + dice.below(len(sequence) - 10)
        ref = sequence[pos - 1 : pos + (dice.below(4) if dice.below(2) else 0)]
        alts = {
            ref[0] + "".join(dice.some_of("AC", dice.below(4)))
            if dice.below(2)
            else dice.one_of("ACGT") + ref[1:]
            for _ in range(1 + dice.below(3))
        } - {ref}
        info = dice.some_of(_FLAGS, dice.below(4)) + dice.some_of(_VALUES, dice.below(4))
        name = dice.one_of(["rs", "rs", "rs", "COSV"]) + str(1000 + index)
        rows.append((pos, name, ref, ",".join(sorted(alts)) or ".", ";".join(info) or "."))
    return rows


def odd_release() -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Return the records of the odd release by chromosome, and its sequences."""
    dice = Dice(116)
    # Short repeats of two letters: most indels slide.
    text = "".join(dice.one_of(["A", "C", "AC", "AAAA", "CACACA", "GT"]) for _ in range(3000))
    records = {name: [*rows] for name, rows in ODD.items()} | {
        _RANDOM: random_rows(text, 900, dice)
    }
    records |= {name: RECORDS[name] for name in ("21", "22", "MT")}
    sequences = {
        name: with_refs(text if name == _RANDOM else "ACGT" * 7500, rows)
        for name, rows in records.items()
    }
    # A sequence that is not what was published.
    records["1"].append((750, "rs115", "GT", "G", "dbSNP_156"))
    return records, sequences


def odd_queries(
    records: Mapping[str, Sequence[Row]], sequences: Mapping[str, str], samples: Sequence[str]
) -> str:
    """Return a VCF of what the odd release has, also in other spellings, and of what it has not."""
    dice, lines = Dice(7), []
    for name, rows in records.items():
        sequence = sequences[name]
        for pos, id_, ref, alts, _ in rows:
            for alt in alts.split(","):
                way = dice.below(5)
                first, one, other = pos, ref or "A", alt
                if way == 1 and pos > 3:
                    first, pad = pos - 3, sequence[pos - 4 : pos - 1]
                    one, other = pad + one, pad + other
                elif way == 2:
                    one, other = one.lower(), other.lower()
                elif way == 3 and name == _RANDOM:
                    # Further along, by what the sequence has there: in a repeat it is the same indel.
                    first, size = pos + 2, len(one)
                    one = sequence[first - 1 : first - 1 + size] or one
                elif way == 4:
                    other = f"{other},*,{dice.one_of('ACGT')}"
                calls = dice.some_of(_CALLS, len(samples))
                user = dice.one_of([".", ".", id_.replace(" ", "_"), "mine;rs1"])
                lines.append((name, first, user, one, other, calls))
    extra = ("<DEL>", "<NON_REF>", ".", "A[chr2:321681[", "<*>", "N", "R")
    others = [("21", 300, "A", alt) for alt in extra]
    others += [
        ("21", 0, "N", "A"),
        ("21", 400, "A", "G"),
        ("Un_1", 5, "A", "G"),
        (_HG19, 9, "A", "G"),
    ]
    calls = ["0/1:1"] * len(samples)
    lines += [(name, pos, ".", ref, alt, calls) for name, pos, ref, alt in others]
    order = {name: index for index, name in enumerate([*records, "Un_1", _HG19])}
    lines.sort(key=lambda line: (order[line[0]], line[1]))
    head = [
        "##fileformat=VCFv4.3",
        "##contig=<ID=chrM,length=16569>",
        "##contig=<ID=M,length=16571>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(samples),
    ]
    body = [
        f"{_QUERY.get(name, f'chr{name}')}\t{pos}\t{user}\t{ref}\t{alt}\t50\t"
        f"{dice.one_of(['PASS', 'q10', '.'])}\t{dice.one_of(['.', 'DP=7', 'DP=7;'])}\tGT:DP\t"
        + "\t".join(calls)
        for name, pos, user, ref, alt, calls in lines
    ]
    return "\n".join([*head, *body, ""])


# --- Digests -------------------------------------------------------------------------------------


def digest(content: object) -> str:
    """Return the start of the SHA-256 of anything that JSON can have; bytes as they are."""
    if not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=False, default=str).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def layout(path: Path) -> list[Any]:
    """Return how a parquet file is laid out, as far as we decide it."""
    about = pq.read_metadata(path)
    groups = [about.row_group(index) for index in range(about.num_row_groups)]
    columns = [[group.column(index) for index in range(about.num_columns)] for group in groups]
    return [
        [group.num_rows for group in groups],
        [
            [
                column.compression,
                column.has_dictionary_page,
                column.is_stats_set,
                # What levels are written with is the library's business.
                sorted({*column.encodings} - {"RLE", "BIT_PACKED"}),
            ]
            for group in columns
            for column in group
        ],
    ]


def schema_of(path: Path) -> list[Any]:
    """Return the columns of a parquet file, and what its footer says, less the Arrow schema."""
    schema = pq.read_schema(path)
    fields = [[item.name, str(item.type), item.nullable] for item in schema]
    metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    return [
        fields,
        sorted((key, value) for key, value in metadata.items() if key != "ARROW:schema"),
    ]


def store_parts(folder: Path, figures: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of a reference store."""
    files = sorted(folder.glob("*.parquet"))
    of_bytes = ("bytes", "hash", "sha256", "footer_sha256", "checksum")

    def described(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: described(item) for key, item in value.items() if key not in of_bytes}
        return [described(item) for item in value] if isinstance(value, list) else value

    counts = {key: value for key, value in figures.items() if key.startswith("num_")}
    package = json.loads((folder / "datapackage.json").read_bytes())
    columns = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.schema.json"))]
    quarantine = gzip.decompress((folder / "quarantine.tsv.gz").read_bytes()).decode()
    return {
        "rows": digest([[path.name, pq.read_table(path).to_pydict()] for path in files]),
        "schema": digest([[path.name, schema_of(path)] for path in files]),
        "layout": digest([ROW_GROUP_ROWS, [[path.name, layout(path)] for path in files]]),
        "sequences": digest(
            [
                [path.name, load_sequence(path).tobytes().decode()]
                for path in sorted(folder.glob("*.2bit"))
            ]
        ),
        "description": digest([described(package), columns, counts, quarantine]),
    }


def annotated_parts(folder: Path, masked: Callable[[bytes], bytes]) -> dict[str, str]:
    """Return the digests of annotated outputs."""
    text = masked(gzip.decompress((folder / "annotated.vcf.gz").read_bytes()))
    head, columns, records = text.partition(b"#CHROM")
    table = folder / "annotated.parquet"
    figures = masked((folder / "metrics.json").read_bytes())
    return {
        "header": digest(head),
        "records": digest(columns + records),
        "table": digest(pq.read_table(table).to_pydict()),
        "table's schema": digest(masked(json.dumps([schema_of(table), layout(table)]).encode())),
        "tally": digest(masked((folder / "tally.json").read_bytes()) + figures),
    }


def report_parts(folder: Path, masked: Callable[[bytes], bytes]) -> dict[str, str]:
    """Return the digests of a report."""
    return {path.name: digest(masked(path.read_bytes())) for path in sorted(folder.iterdir())}


# --- Pins ----------------------------------------------------------------------------------------


def make_pins(folder: Path) -> Pins:
    """Make everything in a folder, and return its digests with the versions."""
    before = os.environ.get("ENSEMBL_ANNOTATIONS_CACHE")
    os.environ["ENSEMBL_ANNOTATIONS_CACHE"] = str(folder / "cache")
    pins: Pins = {name: {"version": getattr(versions, name)} for name in VERSIONS}
    try:
        for name, parts in _make(folder):
            for version, found in parts.items():
                pins[version] |= {f"{name}: {part}": value for part, value in found.items()}
    finally:
        del os.environ["ENSEMBL_ANNOTATIONS_CACHE"]
        if before is not None:
            os.environ["ENSEMBL_ANNOTATIONS_CACHE"] = before
    return pins


def _make(folder: Path) -> list[tuple[str, dict[str, dict[str, str]]]]:
    records, sequences = odd_release()
    write_mirror(folder / "mirror", records, sequences)
    write_mirror(folder / "mirror", records, assembly="GRCh37")
    one, three = folder / "one.vcf", folder / "three.vcf"
    one.write_text(odd_queries(records, sequences, ["S1"]), "utf-8")
    three.write_text(odd_queries(records, sequences, ["S1", "S2", "S3"]), "utf-8")
    odd = {"mirrors": folder / "mirror", "max_bad_percent": 50.0}
    mini = {"mirrors": REPO / "data" / "mini_ensembl", "source": "mini"}
    other = {"match": "position", "genotypes": True, "id_column": "replace", "tags": "id,frequency"}
    other["columns"] = "info,calls"
    return [
        _made(folder, "mini", mini, REPO / "data" / "vcf" / "sample.vcf.gz", {}),
        _made(folder, "odd", odd | {"fasta": True}, one, {}),
        _made(folder, "odd, other options", odd | {"fasta": True}, three, other),
        _made(folder, "odd, GRCh37", odd | {"assembly": "GRCh37"}, one, {}),
    ]


def _made(
    base: Path, name: str, source: dict[str, Any], vcf: Path, options: dict[str, Any]
) -> tuple[str, dict[str, dict[str, str]]]:
    folder = base / name
    store, annotated = folder / "store", folder / "annotated"
    figures = fetch_ensembl(store, release=116, **source)
    annotate_vcf(
        vcf,
        store,
        out_vcf=annotated / "annotated.vcf.gz",
        out_parquet=annotated / "annotated.parquet",
        tally=annotated / "tally.json",
        metrics=annotated / "metrics.json",
        assembly=source.get("assembly", "GRCh38"),
        **options,
    )
    write_report(annotated / "tally.json", folder / "report", "one")
    # The first is a digest of bytes of files, the second another one at each run; a release of the package
    # changes no result.
    tool = f"ensembl-annotations {metadata.version('ensembl-annotations')}"
    unlike = [figures["reference_sha256"].encode(), str(base).encode(), tool.encode()]

    def masked(content: bytes) -> bytes:
        for text in unlike:
            content = content.replace(text, b"(masked)")
        return content

    parts = {
        "STORE_VERSION": store_parts(store, figures),
        "ENGINE_VERSION": annotated_parts(annotated, masked),
        "REPORT_VERSION": report_parts(folder / "report", masked),
    }
    return name, parts


def read_pins() -> Pins:
    """Return what is pinned."""
    pins: Pins = json.loads(FILE.read_bytes()) if FILE.exists() else {}
    return pins


def unversioned_changes(pinned: Pins, made: Pins) -> list[str]:
    """Say which version has to be raised: its content has changed and it has not.

    What follows a change is made again because of that, whatever its version.
    """
    told = []
    for version, name in VERSIONS.items():
        before, now = pinned.get(version, {}), made[version]
        parts = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        if parts and before.get("version") == now["version"]:
            told.append(
                f"Changed: {name} ({'; '.join(parts)}), while {version} still is {now['version']}: data that "
                f"were made before would stay as they are. Where the change is wanted, raise "
                f"{version} in src/ensembl_annotations/versions.py, then run '{COMMAND}' and 'make'."
            )
        if parts:
            break
    return told


def main() -> None:
    """Pin what is made now."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_pins(Path(folder))
    if told := unversioned_changes(read_pins(), made):
        sys.exit("\n".join(told))
    FILE.write_text(json.dumps(made, indent=2) + "\n", "utf-8")
    print(f"Pinned in {FILE.relative_to(REPO)}.")


if __name__ == "__main__":
    main()
