// Annotate the VCFs of a sheet (docs/many.md), without DVC. In the repository, after `. .venv/bin/activate`:
//   nextflow run examples/nextflow --sheet data/vcf/trial.csv --reference data/ensembl_annotations
process ANNOTATE {
    tag "$sample"
    cpus 2
    memory 2.GB
    publishDir "annotated/$sample"

    input: tuple val(sample), path(vcf), path(reference)
    output: path 'annotated.*'
    script: "ensembl-annotations annotate --vcf $vcf --reference $reference --out-vcf annotated.vcf.gz --out-parquet annotated.parquet --tally annotated.tally.json --memory-mb 1500"
}

workflow {
    sheet = file(params.sheet)
    rows = channel.fromPath(sheet).splitCsv(header: true).map { row -> tuple(row.sample, sheet.parent.resolve(row.vcf)) }
    // Of a sample with several rows, the last would replace the others.
    one = rows.groupTuple().map { sample, vcfs -> vcfs.size() == 1 ? tuple(sample, vcfs[0], file(params.reference)) : error("$sample: expected a row, found ${vcfs.size()}") }
    ANNOTATE(one)
}
