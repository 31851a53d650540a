#!/usr/bin/env bash
# Compiles the library as notebook cells see it. The crate of the cells has the manifest evcxr
# writes, so that a kernel finds every dependency fresh.
set -euo pipefail
prefix=/opt/solvergrad
cd "$prefix/cells"
{
  printf '[package]\nname = "ctx"\nversion = "1.0.0"\nedition = "2024"\n\n'
  printf '[lib]\ncrate-type = ["cdylib"]\npath = "src/lib.rs"\n\n'
  sed -n '/^\[dependencies\]/,$p' "$prefix/kernel/evcxr.toml"
} >Cargo.toml
cp /lab/Cargo.lock Cargo.lock
export CARGO_TARGET_DIR=$prefix/cells/target
for command in build check; do
  mold -run cargo --offline "$command" --quiet
done
# The library is compiled again when it is edited; the rest never is.
find "$CARGO_TARGET_DIR" -path '*/incremental/*' -prune ! -name 'solvergrad-*' -exec rm -rf {} +
"$prefix/kernel/freshness.sh" record
