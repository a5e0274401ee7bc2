#!/bin/sh
# Print, as Markdown, what a change of the pipeline does: parameters, metrics, lineage, reference.
# Usage: scripts/review.sh [BASE]. Needs no data, only git; the reference is compared where it can be
# reached. Ends with 1 where dvc.lock is not current.
set -eu

base=${1:-main}
bin=.venv/bin
git rev-parse --verify --quiet "$base^{commit}" >/dev/null || {
    echo "$base: no such revision." >&2
    exit 2
}

section() {
    title=$1
    shift
    printf '\n### %s\n\n' "$title"
    found=$("$@" 2>/dev/null) || found=
    # A table without rows is a head and a rule.
    [ "$(printf '%s\n' "$found" | wc -l)" -gt 2 ] || found=
    printf '%s\n' "${found:-No change.}"
}

echo "## Pipeline: $(git rev-parse --short HEAD) against $base"
echo
status=0
if plan=$("$bin/dvc" repro --dry --allow-missing 2>&1) && ! echo "$plan" | grep -q 'Running stage'; then
    echo '`dvc.lock` is current.'
else
    status=1
    echo '**`dvc.lock` is not current**: run `make` and commit it.'
    echo "$plan" | sed -n 's/^Running stage \(.*\):$/- would run \1/p; s/^ERROR: /- /p'
fi
section Parameters "$bin/dvc" params diff "$base" --md
# Not metrics/run: what a run did here is in no commit.
section Metrics "$bin/dvc" metrics diff "$base" --md --targets metrics/fetch_ensembl.json metrics/annotate
section Lineage "$bin/dvc" dag --md
printf '\n### Reference\n\n'
# No sample here: what changed for a genome is for its owner only.
"$bin/ensembl-annotations" compare "$base" HEAD --markdown 2>/dev/null ||
    echo 'Not compared: the data of both revisions are neither in the cache nor in the remote.'
exit "$status"
