#!/bin/sh
# Annotate the VCFs of an entry without Dask: each task of the array does its share, and `make` puts them together.
# Submit it in the repository, which all nodes see under the same path, with the sheet or folder of an entry:
#   id=$(sbatch --parsable examples/slurm/array.sh data/vcf/trial.csv)
#   sbatch --dependency=afterany:$id --wrap make    # makes what shares that failed have not
#SBATCH --job-name=ensembl-annotations
#SBATCH --array=1-20
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=12:00:00
set -eu

exec .venv/bin/ensembl-annotations annotate --vcf "${1:?expected the sheet or folder of an entry of params.yaml}" --reference data/ensembl_annotations \
	--shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
