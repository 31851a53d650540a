#!/usr/bin/env bash
# highs.sh PREFIX: builds HiGHS, from the sources that the crate highs-sys carries, as a shared
# library. Linked statically its C functions would be lost in libstack.so, as those of tch are
# (docker/cargo.toml), and every build of the crate would compile 200 C++ files.
set -euo pipefail
prefix=$1
work=$(mktemp -d)
cd "$work"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends cmake g++ make >/dev/null
cargo init --quiet --name fetch
cargo add --quiet highs-sys@=1.16.0
cargo fetch --quiet
cmake -S "$CARGO_HOME"/registry/src/*/highs-sys-1.16.0/HiGHS -B build -Wno-dev \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
  -DFAST_BUILD=ON -DBUILD_SHARED_LIBS=ON -DBUILD_CXX_EXE=OFF -DBUILD_EXAMPLES=OFF -DBUILD_TESTING=OFF \
  -DZLIB=OFF -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF >/dev/null
cmake --build build --parallel "$(nproc)" -- --silent
cmake --install build >/dev/null
strip --strip-unneeded "$prefix"/lib/libhighs.so.*.*
ls "$prefix"/lib
rm -rf "$work"
