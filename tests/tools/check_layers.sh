#!/bin/bash
# Who may include whom: compares every #include "postrider/<module>/..." of src/ and
# include/postrider/ with src/LAYERS. Prints file:line of each breach; exit status 1 if any.
#
#   src/LAYERS   one row per module: name, layer, modules it may include ("*" = all)
#   always open  the module itself; base; from layer 2 up also loop
set -euo pipefail
cd "$(dirname "$0")/../.."

[ -f src/LAYERS ] || { echo "src/LAYERS: missing" >&2; exit 1; }

files() {
    find src include/postrider -mindepth 2 -type f \( -name '*.c' -o -name '*.h' \) | LC_ALL=C sort
}

files | xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' /dev/null | awk '
function breach(what) { print what; breaches++ }

# The rows of the table first, then file:line:#include lines of grep.
BEGIN {
    while ((getline row < "src/LAYERS") > 0) {
        rows++
        sub(/#.*/, "", row)
        n = split(row, word, " ")
        if (n == 0) continue
        if (n < 2 || word[2] !~ /^[0-9]+$/) { breach("src/LAYERS:" rows ": needs a name and a layer"); continue }
        if (word[1] in layer) breach("src/LAYERS:" rows ": " word[1] " has a row already")
        layer[word[1]] = word[2] + 0
        line_of[word[1]] = rows
        for (i = 3; i <= n; i++) open[word[1], word[i]] = 1
    }
    for (pair in open) {
        split(pair, p, SUBSEP)
        if (p[2] == "*") continue
        if (!(p[2] in layer)) breach("src/LAYERS:" line_of[p[1]] ": no module " p[2])
        else if (layer[p[2]] >= layer[p[1]])
            breach("src/LAYERS:" line_of[p[1]] ": " p[1] " (layer " layer[p[1]] ") opens " p[2] " (layer " layer[p[2]] "), which is not below it")
    }
}

function allowed(from, to) {
    return from == to || to == "base" || (to == "loop" && layer[from] >= 2) ||
           ((from, to) in open) || ((from, "*") in open)
}

{
    split($0, part, ":")
    file = part[1]
    place = file ":" part[2] ": "
    split(file, dir, "/")
    from = dir[1] == "src" ? dir[2] : dir[3]
    target = $0
    sub(/^[^"<]*["<]/, "", target)
    sub(/[">].*$/, "", target)
    if (!(from in layer)) {
        if (!(from in missing)) breach(place "module " from " has no row in src/LAYERS")
        missing[from] = 1
    } else if (target ~ /\.\.\//) {
        breach(place "an include must not climb out of its folder: " target)
    } else if (target ~ /^postrider\//) {
        split(target, t, "/")
        if (!(t[2] in layer)) breach(place "no module " t[2] " in src/LAYERS")
        else if (!allowed(from, t[2])) breach(place from " must not include " t[2] ": " target)
    }
}

END { exit breaches > 0 }
'
