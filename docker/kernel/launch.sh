#!/usr/bin/env bash
# Starts one notebook kernel in a build directory of its own: two kernels in one directory would
# run each other's code. Everything precompiled is linked, not copied, from the image.
set -euo pipefail

prefix=/opt/solvergrad
triple=x86_64-unknown-linux-gnu
base=${SOLVERGRAD_KERNELS:-/var/tmp/solvergrad-$(id -u)}
mkdir -p "$base"

# What a killed kernel left behind.
for old in "$base"/kernel-*; do
  owner=${old##*/kernel-}
  if [ -d "$old" ] && [ ! -d "/proc/${owner%.*}" ]; then rm -rf "$old" || true; fi
done

own=$(mktemp -d "$base/kernel-$$.XXXXXX")
trap 'rm -rf "$own"' EXIT

cp -a "$prefix/cells/Cargo.toml" "$prefix/cells/Cargo.lock" "$prefix/cells/src" "$own/"
"$prefix/kernel/farm.sh" "$prefix/cells/target" "$own/target" 'solvergrad|ctx' copy
debug=$triple/debug
cp -a "$prefix/cells/target/$debug/incremental" "$own/target/$debug/"

"$prefix/kernel/freshness.sh" apply "$own/target"

# Another checkout of the library, for instance to test a change beside the running lab.
mkdir "$own/config"
crate=${SOLVERGRAD_CRATE:-/lab/crate}
sed "s|\"/lab/crate\"|\"$crate\"|" "$prefix/kernel/evcxr.toml" >"$own/config/evcxr.toml"

export EVCXR_TMPDIR=$own EVCXR_CONFIG_DIR=$own/config
export LD_LIBRARY_PATH=$own/target/$debug/deps:$(rustc --print target-libdir):$LD_LIBRARY_PATH
evcxr_jupyter --control_file "$1" &
kernel=$!
# Jupyter ends a kernel by a message; a signal is for the ones that do not answer.
trap 'kill -TERM "$kernel" 2>/dev/null' TERM INT
# A signal ends the first wait, not the kernel, whose directory must outlive it.
wait "$kernel" || wait "$kernel"
