#!/bin/sh
# Print, as Markdown, what a branch does to the pipeline: parameters, metrics, lineage, reference.
# Usage: scripts/review.sh [BASE [FILE]]. What is committed since the branch left BASE. Needs no data, only
# git; the reference is compared where it can be reached. Ends with 1 where dvc.lock is not current
# or a part that needs no data could not be made. What fits into a comment is printed; FILE has all.
set -eu

name=${1:-main}
bin=.venv/bin
git rev-parse --verify --quiet "$name^{commit}" >/dev/null || {
    echo "$name: no such revision. Name another: make review BASE=origin/main" >&2
    exit 2
}
base=$(git merge-base "$name" HEAD) && base=$(git rev-parse --short "$base") || {
    echo "$name and HEAD have no commit in common; 'git fetch --unshallow' gets more history." >&2
    exit 2
}
status=0
log=$(mktemp)
clone=$(mktemp -d)
all=$(mktemp)
trap 'rm -rf "$log" "$clone" "$all"' EXIT
whole=${2:-$all}
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# What a command printed on stderr, as a quotation: whatever the cause is, the reader sees it.
cause() {
    sed '/^[[:space:]]*$/d; s/^/> /' "$log" | tail -n "${1:-5}"
}

section() {
    title=$1
    shift
    printf '\n### %s\n\n' "$title"
    if found=$("$@" 2>"$log"); then
        # A table without rows is a head and a rule. Rows come in any order.
        if [ "$(printf '%s\n' "$found" | wc -l)" -gt 2 ]; then
            # Digests in full are in the files.
            printf '%s\n' "$found" | sed -E 's/\b([0-9a-f]{12})[0-9a-f]{52}\b/\1…/g; /^\|/s/ {2,}/ /g; /^\|[-:| ]*$/s/-+/---/g' | awk '
                BEGIN { sort = "LC_ALL=C sort" }
                !/^\|/ { close(sort); row = 0 }
                !/^\|/ || ++row <= 2 { print; fflush(); next }
                { print | sort }
            '
        else
            echo 'No change.'
        fi
    else
        status=1
        echo '**Could not be made:**'
        cause
    fi
}

# What dvc.lock says of the data that stages read and wrote: path, start of the MD5.
locked() {
    git show "$1:dvc.lock" 2>/dev/null |
        awk '$1 == "-" && $2 == "path:" { path = $3 } $1 == "md5:" && path ~ /^data\// { print path, substr($2, 1, 12) }' |
        LC_ALL=C sort -u
}

exec 3>&1 >"$whole"
echo "## Pipeline: $(git rev-parse --short HEAD) against $name (at $base)"
echo
[ -z "$(git status --porcelain --untracked-files=no)" ] ||
    printf '%s\n\n' 'Changes that are not committed are not in here.'
# Of the commit, whatever data of another one lie in this folder.
git clone --quiet --shared --no-tags -c core.autocrlf=false "$(git rev-parse --show-toplevel)" "$clone"
if lock=$(sh scripts/python -c '
import sys
from ensembl_annotations.project.overview import review_lock
from ensembl_annotations.project.project import Project
print(review_lock(Project.open(sys.argv[1]), Project.open()))
' "$clone/$(git rev-parse --show-prefix)" 2>"$log"); then
    echo "$lock"
    case $lock in '**'*) status=1 ;; esac
else
    status=1
    echo '**Whether `dvc.lock` is current could not be told:**'
    cause 1
fi
section Parameters "$bin/dvc" params diff "$base" HEAD --md
# All figures: DVC shows the headline only. First a line for each file: all may be too long to be printed.
section Metrics sh scripts/python -c '
import sys
from ensembl_annotations.project.figures import changed_figures
from ensembl_annotations.project.project import Project
print(*changed_figures(Project.open(), *sys.argv[1:]), sep="\n")
' "$base" HEAD
printf '\n### Data\n\n'
# From dvc.lock alone: what changed is seen even where nobody has the data.
changed=$({ locked "$base" | sed 's/^/a /'; locked HEAD | sed 's/^/b /'; } | awk '
    # Marked, so that digests are compared as text, not as numbers.
    { if ($1 == "a") a[$2] = "m" $3; else b[$2] = "m" $3; all[$2] }
    END { for (path in all) if (a[path] != b[path]) print "| " path " | " shown(a[path]) " | " shown(b[path]) " |" }
    function shown(digest) { return digest == "" ? "-" : substr(digest, 2) }
' | LC_ALL=C sort)
if [ -n "$changed" ]; then
    printf '| path | MD5 at %s | at HEAD |\n| --- | --- | --- |\n%s\n' "$base" "$changed"
else
    echo 'No change.'
fi
section Lineage "$bin/dvc" dag --md
printf '\n### Reference\n\n'
# No sample here: what changed for a genome is for its owner only.
"$bin/ensembl-annotations" compare "$base" HEAD --markdown 2>"$log" || {
    case $changed in
    *'| data/ensembl_annotations |'*) echo '**The reference changed and could not be compared:**' ;;
    *) echo 'Not compared:' ;;
    esac
    cause 2
}
exec >&3
sh scripts/python -c '
import sys
from pathlib import Path
from ensembl_annotations.project.review import shorten_review
text = Path(sys.argv[1]).read_text("utf-8", "replace")
sys.stdout.buffer.write(shorten_review(text).encode())
' "$whole"
exit "$status"
