// nextflow run examples/nextflow --sheet samples.csv --reference data/ensembl_annotations
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
    ANNOTATE(channel.fromPath(params.sheet).splitCsv(header: true).map { row -> tuple(row.sample, file(row.vcf), file(params.reference)) })
}
