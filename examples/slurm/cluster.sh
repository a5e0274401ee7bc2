#!/bin/sh
# Bring everything up to date with the machines of one job: a scheduler, workers on all nodes, and `make` on the first.
# Submit it in the repository, which all nodes see under the same path: sbatch examples/slurm/cluster.sh
#SBATCH --job-name=ensembl-annotations
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=12:00:00
set -eu

BIN=$PWD/.venv/bin
FILE=$PWD/.dvc/tmp/scheduler-$SLURM_JOB_ID.json
# What Slurm gives a task, less a little for what is not Dask's.
LIMIT=$((${SLURM_MEM_PER_CPU:-2048} * ${SLURM_CPUS_PER_TASK:-1} * 9 / 10))MiB

mkdir -p .dvc/tmp
"$BIN/dask" scheduler --scheduler-file "$FILE" --no-dashboard &
scheduler=$!
srun "$BIN/dask" worker --scheduler-file "$FILE" --nthreads 1 --memory-limit "$LIMIT" --no-dashboard \
	--local-directory "${TMPDIR:-/tmp}" &
workers=$!
trap 'kill $workers $scheduler 2>/dev/null; rm -f "$FILE"' EXIT
until [ -s "$FILE" ]; do kill -0 $scheduler; sleep 1; done

ENSEMBL_ANNOTATIONS_SCHEDULER=$FILE make
