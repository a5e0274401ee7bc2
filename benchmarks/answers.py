"""Do the tools give the same answers? Compared on the variants that all of them can express.

These are the records of the query with one ALT that is an SNV written with one base, or an
insertion or deletion behind one anchor base. The truth is looked up by comparing (POS, REF, ALT)
with the release's own text, no tool's matching involved.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
from peers import ECHTVAR, FIELDS, OURS_VCF, VCFANNO

KEY = ["pos", "ref", "alt"]
# One digit of the last place where a tool stores single precision.
FREQUENCY_ERROR = 1e-5
SHOWN = 5


def read_vcf(path: Path, columns: dict[str, str], *arguments: str) -> pl.DataFrame:
    """Return POS, REF, ALT and more columns of a VCF as text, with null for ``.``.

    Parameters
    ----------
    path : Path
    columns : dict of str to str
        Name to what `bcftools query` calls it; an INFO tag the header lacks is null.
    arguments : str
        More arguments of `bcftools query`.
    """
    header = subprocess.run(
        ["bcftools", "view", "-h", str(path)], capture_output=True, text=True, check=True
    ).stdout
    known = {
        name: form
        for name, form in columns.items()
        if not form.startswith("%INFO/") or f"##INFO=<ID={form[6:]}," in header
    }
    form = "\t".join(["%POS", "%REF", "%ALT", *known.values()]) + "\n"
    with tempfile.TemporaryFile() as text:
        subprocess.run(
            ["bcftools", "query", *arguments, "-f", form, str(path)],
            stdout=text,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        text.seek(0)
        frame = pl.read_csv(
            text, separator="\t", has_header=False, new_columns=[*KEY, *known], quote_char=None,
            null_values=".", infer_schema=False,
        )  # fmt: skip
    missing = [pl.lit(None, pl.String).alias(name) for name in columns if name not in known]
    return frame.with_columns(*missing, pl.col("pos").cast(pl.Int64))


def common_set(query: Path, source: Path, folder: Path) -> pl.DataFrame:
    """Return the variants of a query that all tools can express, with what the release says.

    Returns
    -------
    DataFrame
        ``pos, ref, alt``; ``snv`` (bool); ``ids`` (list, empty where the release has nothing);
        ``decided`` (bool), whether exactly one record carries the allele; its ``TSA, MA, MAF,
        MAC`` (String); ``blind`` (list), IDs of records here that name no allele.
    """
    calls = read_vcf(query, {}).unique(KEY)
    ref, alt = pl.col("ref"), pl.col("alt")
    snv = (ref.str.len_bytes() == 1) & (alt.str.len_bytes() == 1)
    indel = (
        (pl.min_horizontal(ref.str.len_bytes(), alt.str.len_bytes()) == 1)
        & (ref.str.slice(0, 1) == alt.str.slice(0, 1))
        & ~alt.str.contains(",", literal=True)
    )
    common = calls.select(*KEY, snv=snv).filter(pl.col("snv") | indel)
    done = subprocess.run(
        ["bcftools", "index", "-s", str(query)], capture_output=True, text=True, check=True
    )
    chromosome = done.stdout.partition("\t")[0]
    sites = folder / "sites.tsv"
    common.select(pl.lit(chromosome), pl.col("pos").unique().sort()).write_csv(
        sites, separator="\t", include_header=False
    )
    columns = {"id": "%ID", **{name: f"%INFO/{name}" for name in FIELDS}}
    records = read_vcf(source, columns, "-T", str(sites))
    # Where a source gives no alleles, ALT is ``.``, ``N`` or the like: no variant is that.
    plain = pl.col("alt").str.contains(r"^[ACGT]+(,[ACGT]+)*$").fill_null(False)
    blind = records.filter(~plain).group_by("pos").agg(blind=pl.col("id").unique())
    records = records.filter(plain).with_columns(pl.col("alt").str.split(",")).explode("alt")
    one = pl.len() == 1
    published = records.group_by(KEY).agg(
        ids=pl.col("id").unique(),
        decided=one,
        **{name: pl.when(one).then(pl.col(name).first()) for name in FIELDS},
    )
    common = common.join(published, on=KEY, how="left").join(blind, on="pos", how="left")
    return common.with_columns(
        pl.col("ids", "blind").fill_null([]), pl.col("decided").fill_null(False)
    )


def _columns(label: str) -> dict[str, str]:
    if label.startswith(OURS_VCF):
        return {"id": "%ID", **{name: f"%INFO/ENS_{name}" for name in FIELDS}}
    if label == VCFANNO:
        return {"id": "%INFO/ENS_ID", **{name: f"%INFO/ENS_{name}" for name in FIELDS}}
    return {"id": "%ID", **{name: f"%INFO/{name}" for name in FIELDS}}


def add_ours(common: pl.DataFrame, out: Path) -> pl.DataFrame:
    """Add our IDs, ``ours`` (list): `compare` wants them."""
    return (
        _found(OURS_VCF, out, common.with_columns(ours=[]))
        .with_columns(ours="found")
        .drop("found", pl.selectors.ends_with("_found"), "id")
    )


def _found(label: str, out: Path, common: pl.DataFrame) -> pl.DataFrame:
    found = read_vcf(out, _columns(label)).unique(KEY)
    if label.startswith(OURS_VCF):
        found = found.with_columns(pl.col(name).str.extract(r"([^|]*)$") for name in FIELDS)
    joined = common.join(found, on=KEY, how="left", suffix="_found", maintain_order="left")
    # A tag of several values has commas between them.
    names = pl.col("id").str.replace_all(",", ";").str.split(";").fill_null([])
    return joined.with_columns(found=names)


def compare(label: str, out: Path, common: pl.DataFrame) -> dict[str, int]:
    """Compare a tool's output with the truth; stop the program at a disagreement.

    Parameters
    ----------
    label : str
        Of the command.
    out : Path
        What it wrote.
    common : DataFrame
        From `common_set` and `add_ours`.

    Returns
    -------
    dict
        ``common``; ``agree``, all IDs and values; ``fewer_ids``, of several IDs the tool has some;
        ``blind_ids``, the tool adds an ID whose record names no allele, which is wrong but known;
        ``more_ids``, indels where the tool sees through another spelling of Ensembl's.

    Notes
    -----
    Our SNVs must have exactly the published IDs, our indels all of them. Another tool must have at
    least one of them, and none that is neither published for this allele nor found by ours. Values
    are compared where one record carries the allele, so that it is clear whose they are.
    """
    joined = _found(label, out, common)
    some = pl.col("found").list.len() > 0
    lost = pl.col("ids").list.set_difference("found").list.len() > 0
    extra = pl.col("found").list.set_difference("ids")
    more = extra.list.len() > 0
    blind = (extra.list.set_intersection("blind").list.len() > 0) & ~pl.lit(
        label.startswith(OURS_VCF)
    )
    if label == ECHTVAR:
        wrong = pl.lit(False)
    elif label.startswith(OURS_VCF):
        wrong = lost | (pl.col("snv") & more)
    else:
        unknown = extra.list.set_difference("ours").list.set_difference("blind").list.len() > 0
        wrong = unknown | ((pl.col("ids").list.len() > 0) & ~some)
    clear = pl.col("decided") & (pl.lit(label == ECHTVAR) | ~more)
    differ = pl.any_horizontal(_differs(name) for name in FIELDS)
    joined = joined.with_columns(
        wrong=wrong | (clear & differ), fewer=lost & some, blinded=blind, more=more & ~blind
    )
    disagree = joined.filter("wrong")
    if len(disagree):
        _stop(label, disagree, len(joined))
    fewer, blinded, more_ids, either = joined.select(
        pl.col("fewer").sum(),
        pl.col("blinded").sum(),
        pl.col("more").sum(),
        (pl.col("fewer") | pl.col("blinded")).sum().alias("either"),
    ).row(0)
    return {"common": len(joined), "agree": len(joined) - either, "fewer_ids": fewer,
            "blind_ids": blinded, "more_ids": more_ids}  # fmt: skip


def _differs(name: str) -> pl.Expr:
    ours, theirs = pl.col(name), pl.col(f"{name}_found")
    if name in ("MAF", "MAC"):
        numbers = ours.cast(pl.Float64), theirs.cast(pl.Float64, strict=False)
        same = (numbers[0] - numbers[1]).abs() <= FREQUENCY_ERROR * numbers[0].abs()
        return ~(same.fill_null(False) | (ours.is_null() & theirs.is_null()))
    return ours.ne_missing(theirs)


def _stop(label: str, wrong: pl.DataFrame, total: int) -> None:
    lines = [
        f"{label} disagrees with the release on {len(wrong)} of {total} variants; nothing was timed."
    ]
    for row in wrong.sort("pos").head(SHOWN).iter_rows(named=True):
        published = ", ".join([*row["ids"], *(f"{name}={row[name]}" for name in FIELDS)])
        theirs = ", ".join([*row["found"], *(f"{name}={row[f'{name}_found']}" for name in FIELDS)])
        lines.append(
            f"  {row['pos']} {row['ref'][:30]}>{row['alt'][:30]}: published {published}; found {theirs}"
        )
    sys.exit("\n".join(lines))


def check_same(one: Path, other: Path) -> None:
    """Stop where two BGZF files do not have the same text."""
    packed = [
        subprocess.Popen(["bgzip", "-dc", str(path)], stdout=subprocess.PIPE)
        for path in (one, other)
    ]
    texts = [process.stdout for process in packed if process.stdout is not None]
    while any(pair := [text.read(1 << 24) for text in texts]):
        if pair[0] != pair[1]:
            sys.exit(f"{one} and {other} differ; nothing was timed.")
    if any(process.wait() for process in packed):
        sys.exit("bgzip fails.")


def num_annotated(label: str, out: Path) -> int:
    """Return how many records of an output carry any annotation."""
    columns = _columns(label)
    if label == ECHTVAR:
        columns.pop("id")
    frame = read_vcf(out, columns)
    return frame.filter(pl.any_horizontal(pl.col(list(columns)).is_not_null())).height
