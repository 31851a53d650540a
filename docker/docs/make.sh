#!/usr/bin/env bash
# The pages of the library, readable without a network, in FOLDER: `lab docs [FOLDER]`. A warning, such
# as a link to what is not there, is an error.
set -euo pipefail
folder=$(realpath -m "${1:-/opt/solvergrad/docs}")
cd /lab
/opt/solvergrad/kernel/freshness.sh apply "$CARGO_TARGET_DIR"
made=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/doc
rm -rf "$made"
RUSTDOCFLAGS="-Dwarnings --html-in-header /lab/docker/docs/header.html" \
  mold -run cargo --offline doc --quiet -p solvergrad --lib --no-deps
cp -r /opt/solvergrad/katex "$made/"
cat >"$made/index.html" <<'HTML'
<!DOCTYPE html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=solvergrad/index.html">
<title>SolverGrad</title>
<a href="solvergrad/index.html">SolverGrad</a>
HTML
# The old pages stay until the new ones are complete.
mkdir -p "$(dirname "$folder")"
rm -rf "$folder.part"
mv "$made" "$folder.part"
rm -rf "$folder"
mv "$folder.part" "$folder"
echo "$folder/index.html"
