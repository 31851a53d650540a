#!/usr/bin/env bash
# Builds the code cells of a notebook as a plain program and prints its path.
set -euo pipefail
notebook=$1
name=$(basename "$notebook" .ipynb | tr -c 'a-zA-Z0-9\n' _)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{
  printf '[package]\nname = "program%s"\nversion = "0.0.0"\nedition = "2024"\n\n' "$name"
  sed -n '/^\[dependencies\]/,$p' /opt/solvergrad/kernel/evcxr.toml
} >"$folder/Cargo.toml"
cp /lab/Cargo.lock "$folder/"
solvergrad program "$notebook" --out "$folder/src/main.rs" >&2
# The target directory of notebook cells: same library, same flags, nothing compiled twice.
export CARGO_TARGET_DIR=/opt/solvergrad/cells/target
/opt/solvergrad/kernel/freshness.sh apply "$CARGO_TARGET_DIR"
cd "$folder"
mold -run cargo --offline build --quiet >&2
echo "$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/debug/program$name"
