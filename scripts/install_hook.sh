#!/bin/sh
# Make git run scripts/pre-commit before each commit and each merge. A hook that is there already,
# such as the one of `dvc install`, is kept: ours is called at its start.
set -eu

folder=$(git rev-parse --git-path hooks)
if [ -n "$(git config core.hooksPath || true)" ]; then
    echo "Hooks of this repository are in $folder (core.hooksPath), which others may use too:" >&2
    echo 'add a call of scripts/pre-commit there yourself.' >&2
    exit 1
fi
# git runs hooks at the top of the repository. A commit from before it has none.
ours=$(git rev-parse --show-prefix)scripts/pre-commit
call="[ ! -f '$ours' ] || sh '$ours' || exit 1"
mkdir -p "$folder"
for hook in "$folder/pre-commit" "$folder/pre-merge-commit"; do
    if [ -L "$hook" ] || { [ -e "$hook" ] && ! head -n 1 "$hook" | grep -qE '^#!.*[/ ](sh|bash|dash)( |$)'; }; then
        echo "$hook is no shell script of its own: add a call of $ours to it yourself." >&2
        exit 1
    fi
    if [ ! -e "$hook" ]; then
        printf '#!/bin/sh\n%s\n' "$call" >"$hook"
        chmod +x "$hook"
    elif [ ! -x "$hook" ]; then
        echo "$hook is switched off (not executable), so git would not run ours in it:" >&2
        echo "remove it, or chmod +x it, then run 'make hooks' again." >&2
        exit 1
    elif ! grep -qxF "$call" "$hook"; then
        sed "1a\\
$call" "$hook" >"$hook.new"
        cat "$hook.new" >"$hook"
        rm "$hook.new"
    fi
done
echo "Commits and merges are checked: $folder/pre-commit, $folder/pre-merge-commit."
