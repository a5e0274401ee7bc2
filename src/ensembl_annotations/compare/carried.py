"""The alleles that a sample carries, as allele keys."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ensembl_annotations.annotate.engine import Engine
from ensembl_annotations.annotate.guard import check_build
from ensembl_annotations.annotate.lookup import Contigs, par_of
from ensembl_annotations.annotate.rows import table_of
from ensembl_annotations.common.errors import InputError
from ensembl_annotations.store.describe import ReferenceStore
from ensembl_annotations.store.read import Reference
from ensembl_annotations.variants.alleles import FIRST_HASH, NOT_COMPARABLE, with_allele_keys
from ensembl_annotations.variants.contigs import ParRegion, canonical_assembly
from ensembl_annotations.variants.schema import ANNOTATION, GENOTYPES, RESULT
from ensembl_annotations.vcf.read import VcfReader

_LOG = logging.getLogger(__name__)

_BATCH_ROWS = 262_144
_COLUMNS = ("chrom", "pos", "ref", "alt")
_MATCHED = pa.schema(
    [
        column.field
        for column in (*RESULT, *GENOTYPES, *ANNOTATION)
        if column.name in (*_COLUMNS, "alt_index", "gts", "ens_reason")
    ]
)
_REFUSED = ["contig_refused", "ref_mismatch"]
"""Reasons for which an ALT is not what its key says."""


@dataclass(frozen=True)
class Carried:
    """The alleles that a sample carries.

    Attributes
    ----------
    by_chromosome : dict of str to DataFrame
        By Ensembl's name: ``start`` (Int32, 0-based), ``code`` (UInt32), ``allele`` (String,
        ``deleted>inserted``; empty where the code says it), each key once. What lies in a
        pseudo-autosomal region of Y is under X and under Y. ALTs that can't match are left out.
    num_alleles : int
        Those under X and Y counted once.
    """

    by_chromosome: dict[str, pl.DataFrame]
    num_alleles: int


def _lookups(alleles: pl.DataFrame, regions: tuple[ParRegion, ...]) -> pl.DataFrame:
    """Return one row per ALT and contig that it is to be looked up on.

    Parameters
    ----------
    alleles : DataFrame
        ``contig``, ``pos``, ``ref`` and the allele key.
    regions : tuple of ParRegion
        What lies in one of them is there twice: on Y as it is, and on X.

    Returns
    -------
    DataFrame
        The columns of `alleles`, ``lookup`` (the contig) and ``shift`` (bp to add to POS).

    Notes
    -----
    What counts is where the key lies, whatever the padding. Outside the region X differs from Y:
    ``clip`` is true where padding lies there, and ``least`` and ``most`` (null elsewhere) are the
    region's ends on X, 0-based and between bases, which a repeat may cross.
    """
    nowhere = pl.lit(None, pl.Int64)
    found = [
        alleles.with_columns(
            lookup=pl.col("contig"),
            shift=pl.lit(0, pl.Int64),
            clip=pl.lit(False),
            least=nowhere,
            most=nowhere,
        )
    ]
    for region in regions:
        whole = (pl.col("pos") >= region.first) & (
            pl.col("pos") + pl.col("ref").str.len_bytes() - 1 <= region.last
        )
        found.append(
            alleles.filter(_is_inside(region)).with_columns(
                lookup=pl.lit("X"),
                shift=pl.lit(region.shift, pl.Int64),
                clip=~whole,
                least=pl.lit(region.first - 1 + region.shift, pl.Int64),
                most=pl.lit(region.last + region.shift, pl.Int64),
            )
        )
    return pl.concat(found)


def _is_inside(region: ParRegion) -> pl.Expr:
    end = pl.col("start") + pl.max_horizontal(pl.col("deleted").str.len_bytes(), 1)
    return (pl.col("contig") == "Y") & (pl.col("start") >= region.first - 1) & (end <= region.last)


def carried_alleles(path: Path, store: ReferenceStore) -> Carried:
    """Return the alleles that a sample carries.

    Parameters
    ----------
    path : Path
        An annotated table, a VCF or a BCF.
    store : ReferenceStore
        Whose species and assembly the sample must have.

    Raises
    ------
    InputError
        Where the file can't be used, or is of another species or assembly.

    Notes
    -----
    An ALT is carried where the genotype of a sample of the file names it; every ALT is where a
    record has no genotypes (no samples, or no GT). In a table, ``gt`` is null both for ``.`` and for
    no GT: null counts as ``.``, unless the whole batch of rows has no genotype.
    """
    with path.open("rb") as handle:
        is_table = handle.read(4) == b"PAR1"
    parts: dict[str, list[pl.DataFrame]] = {}
    for rows in _table_rows(path, store) if is_table else _vcf_rows(path, store):
        for (chromosome,), part in _keys(rows, store).group_by("lookup"):
            parts.setdefault(str(chromosome), []).append(part.drop("lookup"))
    found = {name: pl.concat(part).unique().sort("start", "code") for name, part in parts.items()}
    return Carried(
        {name: frame.drop("is_copy") for name, frame in found.items()},
        sum(int((~frame["is_copy"]).sum()) for frame in found.values()),
    )


def _keys(rows: pl.DataFrame, store: ReferenceStore) -> pl.DataFrame:
    """Return the keys of the ALTs that are carried: of rows with a list `gts` and `alt_index`.

    Notes
    -----
    ``is_copy`` is true where the same key is under X too.
    """
    number = pl.concat_str(pl.lit("/"), pl.col("alt_index") + 1, pl.lit("/"))
    # Between slashes, so that 1 is not found in 11; a missing call has no number.
    calls = ("/" + pl.col("gts").list.join("/", ignore_nulls=True) + "/").str.replace_all(
        "|", "/", literal=True
    )
    carried = rows.filter(
        pl.col("alt").is_not_null() & calls.str.contains(number, literal=True).fill_null(True)
    ).with_row_index("alt_row")
    keys = with_allele_keys(carried).filter(pl.col("code") != NOT_COMPARABLE)
    places = _lookups(keys, par_of(store))
    twice = places.filter(pl.col("lookup") != pl.col("contig"))["alt_row"].implode()
    return places.select(
        "lookup",
        (pl.col("start") + pl.col("shift")).cast(pl.Int32),
        "code",
        allele=pl.when(pl.col("code") >= FIRST_HASH)
        .then(pl.concat_str("deleted", pl.lit(">"), "inserted"))
        .otherwise(pl.lit("")),
        is_copy=pl.col("alt_row").is_in(twice) & (pl.col("lookup") == pl.col("contig")),
    ).unique()


def _table_rows(path: Path, store: ReferenceStore) -> Iterator[pl.DataFrame]:
    try:
        with pq.ParquetFile(path) as file:
            _check_table(path, file.schema_arrow, store)
            genotypes = [name for name in ("gts", "gt") if name in file.schema_arrow.names][:1]
            columns = [*_COLUMNS, "alt_index", "ens_reason", *genotypes]
            contigs = Contigs(store, {})
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                frame = pl.DataFrame(pa.Table.from_batches([batch]))
                gts = pl.lit(None, pl.List(pl.String))
                if genotypes == ["gts"]:
                    gts = pl.col("gts")
                elif genotypes and frame["gt"].null_count() < len(frame):
                    gts = pl.concat_list(pl.col("gt"))
                # A table has no lengths: whether chrM is MT was decided when it was written.
                refused = pl.col("ens_reason").is_in(_REFUSED).fill_null(False)
                frame = frame.filter(~refused).select(*_COLUMNS, "alt_index", gts=gts)
                names = frame["chrom"].unique().to_list()
                known = {name: contigs.resolve(name)[0] for name in names}
                yield frame.with_columns(contig=pl.col("chrom").replace_strict(known))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: can't be read as parquet ({error}).") from error


def _check_table(path: Path, schema: pa.Schema, store: ReferenceStore) -> None:
    said = json.loads((schema.metadata or {}).get(b"ensembl_annotations", b"null"))
    if said is None or not {*_COLUMNS, "alt_index", "ens_reason"} <= set(schema.names):
        raise InputError(
            f"{path}: is a parquet file, but not an annotated table.",
            hint="Give the annotated.parquet that 'annotate' wrote, or the VCF.",
        )
    found = (said["Species"], canonical_assembly(said["Assembly"]))
    if found != (store.species, canonical_assembly(store.assembly)):
        raise InputError(
            f"{path}: is of {' '.join(found)}, the references are of {store.species} {store.assembly}.",
            hint="Compare references of the sample's assembly.",
            code="wrong_build",
        )


def _vcf_rows(path: Path, store: ReferenceStore) -> Iterator[pl.DataFrame]:
    with VcfReader(path) as reader, Reference(store) as reference:
        contigs = Contigs(store, reader.header.contigs())
        engine = Engine(reader, reference, contigs, check_records=False)
        check_build(engine, store.assembly, _LOG.warning)
        for part in (part for piece in reader.pieces() for part in reader.parts(piece)):
            with engine.annotated(part, columns=_MATCHED.names) as result:
                alleles = pl.from_arrow(table_of(result.columns, _MATCHED))
            assert isinstance(alleles, pl.DataFrame)
            known = {name: contigs.resolve(name)[0] for name in alleles["chrom"].unique()}
            told = alleles.filter(~pl.col("ens_reason").is_in(_REFUSED).fill_null(False))
            yield told.select(
                *_COLUMNS,
                "alt_index",
                "gts",
                contig=pl.col("chrom").replace_strict(known, return_dtype=pl.String),
            )
        reader.check_unchanged()
        reference.check_unchanged()
