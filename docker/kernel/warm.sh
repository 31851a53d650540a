#!/usr/bin/env bash
# Compiles the library as notebook cells see it, and goes through a kernel's start once, so that the
# fronts of cargo (docker/kernel/src/front/) know every answer before the first notebook asks.
set -euo pipefail
prefix=/opt/solvergrad
cd "$prefix/cells"
mkdir -p src "$prefix/front/bin" "$prefix/front/notes"
: >src/lib.rs
{
  printf '[package]\nname = "ctx"\nversion = "1.0.0"\nedition = "2024"\n\n'
  printf '[lib]\ncrate-type = ["cdylib"]\npath = "src/lib.rs"\n\n'
  cat "$prefix/kernel/dependencies.toml"
} >Cargo.toml
cp /lab/Cargo.lock Cargo.lock
CARGO_TARGET_DIR=$prefix/cells/target mold -run cargo --offline build --quiet
"$prefix/kernel/freshness.sh" record

# In place of libtorch where cells are linked: the same names, no symbols to read.
mkdir -p "$prefix/link"
for library in torch_cpu c10; do
  gcc -shared -nostdlib -Wl,-soname,lib$library.so -o "$prefix/link/lib$library.so" -x c /dev/null
done

# The standard library as rust-analyzer is to read it: without vendored crates and the intrinsics
# of every processor.
library=$(rustc --print sysroot)/lib/rustlib/src/rust/library
mkdir -p "$prefix/std"
cp "$library/Cargo.toml" "$prefix/std/"
for part in core alloc std proc_macro test; do
  mkdir "$prefix/std/$part"
  ln -s "$library/$part/"{Cargo.toml,src} "$prefix/std/$part/"
done

rustc --print sysroot >"$prefix/front/toolchain"
for tool in cargo rustc rustup rustc-recorder; do
  ln -s /usr/local/bin/solvergrad-kernel "$prefix/front/bin/$tool"
done
crates() { find "$CARGO_HOME"/registry/{cache,src} -mindepth 2 -maxdepth 2 | sort; }
crates >"$prefix/crates.before"
solvergrad-kernel warm
# What cargo fetched to describe the standard library is not read again.
crates | comm -13 "$prefix/crates.before" - | xargs -r rm -rf
rm "$prefix/crates.before"

# The library is compiled again when it is edited; the rest never is.
find "$prefix/cells/target" -path '*/incremental/*' -prune ! -name 'solvergrad-*' -exec rm -rf {} +
# A third of the size; freshness.sh unpacks it.
find "$prefix/cells/target" -path '*/incremental/solvergrad-*' \( -name '*.bin' -o -name '*.bc' -o -name '*.o' \) -exec "$prefix/kernel/pack.py" pack {} +
