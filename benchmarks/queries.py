"""Genomes to annotate: calls as GATK writes them, most of them published alleles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from genome import CHANGED, MARGIN_BP, Array, Chromosome, Tile, make_tile, pick, tab_separated
from records import make_records

from ensembl_annotations.vcf.bgzf import BgzfWriter


def _query_header(chromosome: Chromosome, samples: int) -> str:
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##FILTER=<ID=LowQual,Description="Low quality">',
    ]
    for key, number, kind in (
        ("AC", "A", "Integer"), ("AF", "A", "Float"), ("AN", "1", "Integer"),
        ("BaseQRankSum", "1", "Float"), ("DP", "1", "Integer"), ("ExcessHet", "1", "Float"),
        ("FS", "1", "Float"), ("MLEAC", "A", "Integer"), ("MLEAF", "A", "Float"),
        ("MQ", "1", "Float"), ("MQRankSum", "1", "Float"), ("QD", "1", "Float"),
        ("ReadPosRankSum", "1", "Float"), ("SOR", "1", "Float"),
    ):  # fmt: skip
        lines.append(f'##INFO=<ID={key},Number={number},Type={kind},Description="{key}">')
    for key, number, kind in (
        ("GT", "1", "String"), ("AD", "R", "Integer"), ("DP", "1", "Integer"),
        ("GQ", "1", "Integer"), ("PL", "G", "Integer"),
    ):  # fmt: skip
        lines.append(f'##FORMAT=<ID={key},Number={number},Type={kind},Description="{key}">')
    lines.append(f"##contig=<ID={chromosome.name},length={chromosome.length_bp}>")
    names = "\t".join(f"S{number + 1}" for number in range(samples))
    lines.append(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}")
    return "\n".join(lines) + "\n"


def write_calls(
    path: Path, plan: Chromosome, count: int, seed: int, *, exome: bool, samples: int
) -> None:
    """Write a VCF drawn from a chromosome; see `generate.write_query`."""
    batches = plan.num_batches
    with path.open("wb") as handle:
        writer = BgzfWriter(handle, level=6)
        writer.write(_query_header(plan, samples).encode())
        for batch in range(batches):
            draw = np.random.default_rng([seed, plan.ordinal, batch])
            wanted = count * (batch + 1) // batches - count * batch // batches
            if not wanted:
                continue
            tile = make_tile(plan, batch)
            calls = _calls(draw, tile, make_records(plan, batch, tile), wanted, exome)
            calls = calls.with_columns(pos=pl.col("at") + plan.tile_begin(batch) + 1)
            writer.write(tab_separated(_called_columns(draw, plan.name, calls, samples)))
        writer.finish()


def _calls(
    draw: np.random.Generator, tile: Tile, records: pl.DataFrame, count: int, exome: bool
) -> pl.DataFrame:
    """Return ``at, ref, alt`` of `count` calls, in order."""
    published = records["at"].unique()
    known = records.filter("usable").unique("at", keep="first", maintain_order=True)
    # Room for left-alignment and padding within the tile.
    known = known.filter(pl.col("at").is_between(10, len(tile.bases) - MARGIN_BP))
    if exome:
        known = known.filter(_in_exons(draw, known["at"].to_numpy(), len(tile.bases), count))
    chosen = known[np.sort(draw.permutation(len(known))[: round(0.95 * count)])]
    luck = draw.random(len(chosen))
    bases = tile.bases.tobytes()
    calls = [
        _spell(bases, *row, luck=share)
        for row, share in zip(
            chosen.select("at", "ref", "alt", "snv").iter_rows(), luck.tolist(), strict=True
        )
    ]
    frame = pl.DataFrame(calls, {"at": pl.Int64, "ref": pl.String, "alt": pl.String}, orient="row")
    frame = frame.unique(["at", "ref"], keep="first", maintain_order=True)
    free = np.ones(len(bases), bool)
    free[published.to_numpy()] = False
    free[:10] = free[-MARGIN_BP:] = False
    places = draw.permutation(np.flatnonzero(free))[: count - len(frame)]
    novel = [_novel(bases, place) for place in places.tolist()]
    novel_frame = pl.DataFrame(novel, frame.schema, orient="row")
    return pl.concat([frame, novel_frame]).sort("at", maintain_order=True)


def _in_exons(draw: np.random.Generator, at: Array, size: int, count: int) -> pl.Series:
    covered = np.zeros(size + 150, bool)
    for begin in draw.integers(0, size, max(1, count // 4)).tolist():
        covered[begin : begin + 150] = True
    return pl.Series(covered[at])


def _spell(
    bases: bytes, at: int, ref: str, alt: str, snv: bool, luck: float
) -> tuple[int, str, str]:
    """Return a published record as a caller writes it."""
    alts = alt.split(",")
    if snv:
        # A seventh of the multi-allelic sites carry two of the ALTs.
        alt = ",".join(alts[:2]) if luck < 0.15 else alts[int(luck * 1000) % len(alts)]
    else:
        at, ref, alt = left_aligned(bases, at, ref, alts[int(luck * 1000) % len(alts)])
    if luck > 0.995:
        after = bases[at + len(ref) : at + len(ref) + 1].decode()
        ref, alt = ref + after, ",".join(text + after for text in alt.split(","))
    return at, ref, alt


def left_aligned(bases: bytes, at: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the minimal, left-aligned spelling of an allele; `at` is 0-based in `bases`."""
    while ref[-1] == alt[-1] and ((len(ref) > 1 and len(alt) > 1) or at > 0):
        ref, alt = ref[:-1], alt[:-1]
        if not ref or not alt:
            at -= 1
            before = chr(bases[at])
            ref, alt = before + ref, before + alt
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        ref, alt, at = ref[1:], alt[1:], at + 1
    return at, ref, alt


def _novel(bases: bytes, at: int) -> tuple[int, str, str]:
    ref = chr(bases[at])
    if at % 4:
        return at, ref, chr(int(CHANGED[bases[at]]))
    # Its last base differs from the anchor, so that it is left-aligned.
    return at, ref, f"{ref}GATTACA{chr(int(CHANGED[bases[at]]))}"


def _called_columns(
    draw: np.random.Generator, chromosome: str, calls: pl.DataFrame, samples: int
) -> pl.DataFrame:
    count = len(calls)

    def number(values: Array, decimals: int = 3) -> pl.Series:
        return pl.Series(np.round(values, decimals)).cast(pl.String)

    two = calls["alt"].str.contains(",").to_numpy()
    forms = _forms(draw, two, samples)
    depth = draw.poisson(35 * samples, count) + 1
    counts, frequencies = _allele_counts(forms, two)
    info = pl.DataFrame(
        {
            "AC": counts,
            "AF": frequencies,
            "AN": pl.repeat(str(2 * samples), count, eager=True),
            "BaseQRankSum": number(draw.normal(0, 1, count)),
            "DP": pl.Series(depth).cast(pl.String),
            "ExcessHet": pl.repeat("3.0103", count, eager=True),
            "FS": number(draw.exponential(1, count)),
            "MLEAC": counts,
            "MLEAF": frequencies,
            "MQ": pl.repeat("60.00", count, eager=True),
            "MQRankSum": number(draw.normal(0, 1, count)),
            "QD": number(draw.uniform(2, 35, count), 2),
            "ReadPosRankSum": number(draw.normal(0, 1, count)),
            "SOR": number(draw.uniform(0.3, 3, count)),
        }
    )
    keyed = [pl.lit(f"{name}=") + pl.col(name) for name in info.columns]
    return calls.select(
        pl.lit(chromosome).alias("chrom"),
        "pos",
        pl.lit(".").alias("id"),
        "ref",
        "alt",
        number(draw.exponential(600, count) + 30, 2).alias("qual"),
        pick(["PASS", "LowQual"], draw.random(count) > 0.97).alias("filter"),
        info.select(pl.concat_str(keyed, separator=";")).to_series().alias("info"),
        pl.lit("GT:AD:DP:GQ:PL").alias("format"),
        *(_genotypes(draw, form).alias(f"sample{index}") for index, form in enumerate(forms)),
    )


# Genotypes: the last one is of a record with two ALTs.
_HET, _HOM, _BOTH, _REF, _REF_OF_THREE = range(5)


def _forms(draw: np.random.Generator, two: Array, samples: int) -> list[Array]:
    """Draw the kind of genotype of every sample; a lone sample has every variant it lists."""
    if samples == 1:
        hom = draw.random(len(two)) < 0.35
        return [np.where(two, _BOTH, np.where(hom, _HOM, _HET))]
    share = draw.beta(0.5, 1.5, len(two))
    # A cohort lists what at least one of its samples has.
    carrier = draw.integers(0, samples, len(two))
    forms = []
    for index in range(samples):
        alleles = np.maximum(draw.binomial(2, share), carrier == index)
        form = np.where(two, _BOTH, np.where(alleles == 1, _HET, _HOM))
        forms.append(np.where(alleles == 0, np.where(two, _REF_OF_THREE, _REF), form))
    return forms


def _allele_counts(forms: list[Array], two: Array) -> tuple[pl.Series, pl.Series]:
    """Return AC and AF."""
    first, second = np.zeros((2, len(two)), np.int64)
    for form in forms:
        first += np.isin(form, (_HET, _HOM, _BOTH)) + (form == _HOM).astype(np.int64)
        second += form == _BOTH
    counts = pl.DataFrame({"first": first, "second": second})
    shares = (counts / (2 * len(forms))).with_columns(pl.all().round(3))
    pair = pl.concat_str("first", "second", separator=",")
    text = pl.when(pl.lit(pl.Series(two))).then(pair).otherwise(pl.col("first").cast(pl.String))
    return counts.select(text).to_series(), shares.select(text).to_series()


def _genotypes(draw: np.random.Generator, form: Array) -> pl.Series:
    count = len(form)
    depth = draw.poisson(35, count) + 1
    some = draw.binomial(depth, 0.5)
    numbers = pl.DataFrame(
        {
            "form": form,
            "depth": depth,
            "some": some,
            "rest": depth - some,
            "gq": np.minimum(99, draw.poisson(90, count)),
            "one": draw.integers(200, 1500, count),
            "two": draw.integers(200, 1500, count),
        }
    )
    het = pl.format("0/1:{},{}:{}:{}:{},0,{}", "rest", "some", "depth", "gq", "one", "two")
    hom = pl.format("1/1:0,{}:{}:{}:{},{},0", "depth", "depth", "gq", "one", "gq")
    both = pl.format(
        "1/2:0,{},{}:{}:{}:{},{},400,{},0,{}", "some", "rest", "depth", "gq",
        "one", "two", "one", "two",
    )  # fmt: skip
    ref = pl.format("0/0:{},0:{}:{}:0,{},{}", "depth", "depth", "gq", "gq", "one")
    ref_of_three = pl.format(
        "0/0:{},0,0:{}:{}:0,{},{},{},{},{}", "depth", "depth", "gq", "gq", "one", "gq", "one", "two"
    )
    kind = pl.col("form")
    text = pl.when(kind == _BOTH).then(both).when(kind == _HOM).then(hom)
    return numbers.select(
        text.when(kind == _REF)
        .then(ref)
        .when(kind == _REF_OF_THREE)
        .then(ref_of_three)
        .otherwise(het)
    ).to_series()
