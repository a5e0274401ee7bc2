#!/bin/sh
# Make git run scripts/pre-commit before each commit. A hook that is there already, such as the one of
# `dvc install`, is kept: ours is called at its start.
set -eu

folder=$(git rev-parse --git-path hooks)
hook=$folder/pre-commit
case $(git config core.hooksPath || true) in
'') ;;
*)
    echo "Hooks of this repository are in $folder (core.hooksPath), which others may use too:" >&2
    echo 'add a call of scripts/pre-commit there yourself.' >&2
    exit 1
    ;;
esac
# A commit from before it has none.
call='[ ! -f scripts/pre-commit ] || sh scripts/pre-commit || exit 1'
if [ ! -e "$hook" ]; then
    mkdir -p "$(dirname "$hook")"
    printf '#!/bin/sh\n%s\n' "$call" >"$hook"
elif grep -qxF "$call" "$hook"; then
    exit 0
elif head -n 1 "$hook" | grep -qE '^#!.*[/ ](sh|bash|dash)$'; then
    sed "1a\\
$call" "$hook" >"$hook.new"
    cat "$hook.new" >"$hook"
    rm "$hook.new"
else
    echo "$hook is no shell script: add a call of scripts/pre-commit to it yourself." >&2
    exit 1
fi
chmod +x "$hook"
