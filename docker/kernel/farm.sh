#!/usr/bin/env bash
# farm.sh FROM TO OWN skip|copy: a cargo target directory TO that starts as links to the compiled
# crates in FROM. Crates named in OWN (a|b) can change in TO, so they are left out or copied;
# cargo never writes to what is fresh, so the links are safe to share.
set -euo pipefail
from=$1 to=$2 own=".*/\\(lib\\)?\\(${3//|/\\|}\\)[-.].*" mode=$4
for part in debug x86_64-unknown-linux-gnu/debug; do
  for kind in deps build .fingerprint; do
    [ -d "$from/$part/$kind" ] || continue
    mkdir -p "$to/$part/$kind"
    find "$from/$part/$kind" -mindepth 1 -maxdepth 1 ! -regex "$own" -exec ln -st "$to/$part/$kind" {} +
    [ "$mode" = skip ] ||
      find "$from/$part/$kind" -mindepth 1 -maxdepth 1 -regex "$own" -exec cp -at "$to/$part/$kind" {} +
  done
done
cp -a "$from/.rustc_info.json" "$from/CACHEDIR.TAG" "$to/"
