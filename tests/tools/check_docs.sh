#!/bin/bash
# Follows the documentation: every relative link of a Markdown file leads to a file, and every
# path of the tree that README or a page of docs/ names exists.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0
complain() {
    printf '%s: %s\n' "$1" "$2" >&2
    bad=$((bad + 1))
}

# Targets of [text](target), one a line; not those of other hosts or within the page.
links() {
    grep -oE '\]\([^)#]+' "$1" | sed 's/^](//' | grep -vE '^[a-z]+:' || true
}

# Paths below a folder of ours, without placeholders and patterns: in backquotes, or the first word of
# a line of an example.
paths() {
    local folders='(src|include|config|docker|docs|tests)/[A-Za-z0-9_./-]*'
    grep -oE "\`$folders\`" "$1" | tr -d '\`' || true
    grep -oE "^$folders( |\$)" "$1" | tr -d ' ' || true
}

count=0
while IFS= read -r page; do
    count=$((count + 1))
    while IFS= read -r target; do
        [ -z "$target" ] || [ -e "$(dirname "$page")/$target" ] ||
            complain "$page" "broken link: $target"
    done < <(links "$page")
    while IFS= read -r path; do
        [ -z "$path" ] || [ -e "$path" ] || complain "$page" "no such file: $path"
    done < <(paths "$page")
done < <(printf 'README.md\n'; find docs -name '*.md' | LC_ALL=C sort)

[ "$count" -gt 1 ] || complain docs "no pages found"
[ "$bad" -eq 0 ] || exit 1
echo "$count pages checked"
