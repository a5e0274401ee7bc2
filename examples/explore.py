"""From the embedded mirror to a picture, cell by cell: run it in the repository's folder.

It needs plotly, which is no dependency: ``pip install plotly``.
"""

# %% A reference store, and the demonstration sample annotated with it
import plotly.graph_objects as go
import polars as pl

from ensembl_annotations import annotate_vcf, fetch_ensembl, lookup, scan_reference

fetch_ensembl("explore/store", mirrors="data/mini_ensembl", release=116, source="mini")
annotate_vcf("data/vcf/sample.vcf.gz", "explore/store", out_parquet="explore/annotated.parquet")

# %% What is published of an allele, and of a region
print(lookup("21:5000441:T:C", "explore/store").select("id", "match", "af"))
print(scan_reference("explore/store", "22").filter(pl.col("pos") < 10_000_500).collect())

# %% What the sample carries, and what of it has a clinical term
carried = pl.read_parquet("explore/annotated.parquet").filter(pl.col("dosage") > 0)
print(carried.filter(pl.col("ens_rsclin").list.len() > 0).select("chrom", "pos", "ens_rsclin"))

# %% How common it is
known = carried.drop_nulls("ens_af")
why = carried.filter(pl.col("ens_af").is_null())["ens_af_why"].fill_null("not in Ensembl")
figure = go.Figure(go.Histogram(x=known["ens_af"].to_list(), xbins={"size": 0.05}))
figure.update_layout(title=f"Frequencies; without one: {dict(why.value_counts().iter_rows())}")
figure.write_html("explore/frequencies.html")
