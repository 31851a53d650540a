#!/usr/bin/env bash
# Whether the library's sources are those the image was built with, by content. Cargo judges by
# time: a checkout can be newer than the image with the same content, or older with another one.
#   freshness.sh record         notes the content (in the image)
#   freshness.sh digest         prints the content's short name
#   freshness.sh is-built       succeeds where the content is the one of the image
#   freshness.sh apply TARGET   makes cargo see in TARGET what is the case
#   freshness.sh warn           says so where the image itself has to be built again
set -euo pipefail
noted=/opt/solvergrad/crate.sha256
digest() { cd /lab/crate && find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum; }
case $1 in
record)
  digest Cargo.toml src >"$noted"
  digest Cargo.toml shim >"$noted.image"
  ;;
digest) digest Cargo.toml src | cut -c1-16 ;;
is-built) [ "$(digest Cargo.toml src)" = "$(cat "$noted")" ] ;;
apply)
  # What the compiler knows of the library is stored packed (warm.sh) until the library is edited.
  "$0" is-built || find "$2" -path '*/incremental/*' -name '*.xz' -exec /opt/solvergrad/kernel/pack.py unpack {} +
  for fingerprint in "$2"/*/debug/.fingerprint/solvergrad-*; do
    [ -d "$fingerprint" ] || continue
    if "$0" is-built; then touch "$fingerprint"/*; else rm -rf "$fingerprint"; fi
  done
  ;;
warn)
  [ "$(digest Cargo.toml shim)" = "$(cat "$noted.image")" ] ||
    echo "solvergrad: crate/Cargo.toml or crate/shim is not what this image was built with: run \`docker compose build\`" >&2
  ;;
esac
