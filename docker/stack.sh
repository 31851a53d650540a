#!/usr/bin/env bash
# Compiles the third-party crates, links them as libstack.so, and keeps of the static crates only
# what a compiler reads. Run once, in the image.
set -euo pipefail
triple=x86_64-unknown-linux-gnu
cells=/opt/solvergrad/cells

for command in build check; do
  mold -run cargo --offline "$command" --quiet -p stack
done

# Notebook cells live outside the workspace, where cargo gives the same path crate another hash:
# libstack.so is linked a second time for them, from the same compiled crates.
mkdir -p "$cells/src"
: >"$cells/src/lib.rs"
cp Cargo.lock "$cells/"
cat >"$cells/Cargo.toml" <<TOML
[package]
name = "ctx"
version = "1.0.0"
edition = "2024"
[lib]
path = "src/lib.rs"
[dependencies]
stack = { path = "$PWD/docker/kernel/stack" }
TOML
docker/kernel/farm.sh "$CARGO_TARGET_DIR" "$cells/target" 'stack|ctx|solvergrad' skip
(cd "$cells" && CARGO_TARGET_DIR=$cells/target mold -run cargo --offline build --quiet)

# All machine code is in libstack.so: of the static crates a compiler reads only the metadata. Dates
# are kept, since cargo judges by them. Those of polars' inner parts, which a cell reaches through
# polars, stand beside them once more (.rmeta). 0.5 GB less.
for rlib in "$CARGO_TARGET_DIR/$triple/debug/deps"/*.rlib; do
  mapfile -t code < <(ar t "$rlib" | grep -v '^lib\.rmeta$' || true)
  [ ${#code[@]} -gt 0 ] || continue
  touch -r "$rlib" "$rlib.date"
  case ${rlib##*/} in
  libpolars_* | libargminmax-* | libchrono_tz-*) printf '!<arch>\n' >"$rlib" ;;
  *) ar d "$rlib" "${code[@]}" ;;
  esac
  touch -r "$rlib.date" "$rlib"
  rm "$rlib.date"
done
# Build scripts have been run, and what reads C headers for them is not wanted again either.
find "$CARGO_TARGET_DIR/debug" -type f \( -path '*/build/*/build[-_]script*' ! -name '*.d' -o -name 'libbindgen-*' -o -name 'libclang_sys-*' \) \
  -size +64k -print0 | while IFS= read -r -d '' file; do
  touch -r "$file" /tmp/date && : >"$file" && touch -r /tmp/date "$file"
done
rm -rf {"$CARGO_TARGET_DIR","$cells/target"}/{debug,$triple/debug}/incremental

# The compiler resolves the path of every crate's metadata for every cell: real files in a short
# folder make that several times faster than links in a deep one. Cargo finds links to them.
crates=/opt/solvergrad/crates
mkdir -p "$crates"
for rmeta in "$CARGO_TARGET_DIR/$triple/debug/deps"/*.rmeta; do
  [ -L "$rmeta" ] && continue
  mv "$rmeta" "$crates/"
  ln -s "$crates/${rmeta##*/}" "$rmeta"
done
for file in "$cells/target/$triple/debug/deps"/libstack{.so,-*.rmeta}; do
  ln -s "$file" "$crates/"
done
