#!/usr/bin/env bash
# Makes a local stand-in for the official base image where no image registry can be reached:
# Debian bookworm by debootstrap, plus this machine's own Rust toolchain at the official image's
# paths, imported under the official name. Needs root, debootstrap, a Rust 1.95 toolchain
# installed by rustup, and a running Docker engine. Takes about two minutes.
set -euo pipefail

name=${1:-rust:1.95-slim-bookworm}
suite=bookworm
release=1.95
host=x86_64-unknown-linux-gnu

say() { echo "base-image: $*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || fail "must run as root (debootstrap makes a root file system)"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
command -v rustup >/dev/null || fail "rustup is missing: the toolchain to copy is found through it"
toolchain=$(dirname "$(dirname "$(readlink -f "$(rustup which rustc --toolchain "$release.0" 2>/dev/null || rustup which rustc)")")")
"$toolchain/bin/rustc" --version | grep -q " $release\." || fail "$toolchain is not Rust $release"

work=$(mktemp -d /var/tmp/base-image.XXXXXX)
trap 'rm -rf "$work"' EXIT
root=$work/root

say "debootstrap $suite"
debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,wget "$suite" "$root" >"$work/log" 2>&1 \
  || { tail -5 "$work/log" >&2; fail "debootstrap failed"; }
# The machine's own sources carry the security suite, as the official image does.
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
  cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
  : >"$root/etc/apt/sources.list"
fi
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
# Debian's slim images carry no manuals, and neither do the packages installed on them.
rm -rf "$root"/usr/share/{doc,man,info,locale}/*
printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$root/etc/dpkg/dpkg.cfg.d/slim"

say "toolchain $toolchain"
target=$root/usr/local/rustup/toolchains/$release.0-$host
mkdir -p "$target" "$root/usr/local/cargo/bin"
tar -C "$toolchain" -cf - --exclude=./share . | tar -C "$target" -xf -
tar -C "${CARGO_HOME:-$HOME/.cargo}/bin" -cf - . | tar -C "$root/usr/local/cargo/bin" -xf -
cat >"$root/usr/local/rustup/settings.toml" <<TOML
default_toolchain = "$release.0-$host"
profile = "minimal"
version = "12"
TOML

# The standard library's sources (type inference reads them) are a rustup component. Where the
# machine has none, the nearest Debian package serves: the one kept for browsers follows Rust's
# releases; testing's own lags, and type inference then stumbles over macros such as vec![].
if [ ! -d "$target/lib/rustlib/src/rust/library" ]; then
  apt=$work/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  options=(-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
  trixie=(-o Dir::Etc::sourcelist="$apt/debian.sources" -o Dir::Etc::sourceparts=/dev/null)
  sed -E 's/^Suites:.*/Suites: trixie/' /etc/apt/sources.list.d/debian.sources >"$apt/debian.sources" 2>/dev/null \
    || fail "no /etc/apt/sources.list.d/debian.sources to find the standard library's sources by"
  fetch() { # package [apt option...]
    local package=$1; shift
    say "standard library sources from Debian's $package"
    apt-get "${options[@]}" "$@" -qq update >/dev/null 2>&1 || true
    (cd "$work" && apt-get "${options[@]}" "$@" -qq download "$package")
  }
  fetch rust-web-src || fetch rust-src "${trixie[@]}" \
    || fail "neither rust-web-src nor rust-src could be downloaded"
  dpkg-deb --fsys-tarfile "$work"/rust-*src_*.deb | tar -C "$work" -xf - ./usr
  library=$(find "$work/usr/src" -maxdepth 2 -type d -name library | head -1)
  [ -d "$library/core" ] || fail "Debian's package holds no library/core"
  mkdir -p "$target/lib/rustlib/src/rust"
  cp -a "$library" "$target/lib/rustlib/src/rust/library"
  # Intrinsics of every processor, in a workspace of their own: 27 MB that no inference reads.
  rm -rf "$target/lib/rustlib/src/rust/library/stdarch"
fi

say "docker import $name"
tar -C "$root" -cf - . | docker import \
  -c 'ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  -c 'ENV CARGO_HOME=/usr/local/cargo' -c 'ENV RUSTUP_HOME=/usr/local/rustup' \
  -c "ENV RUST_VERSION=$release.0" -c 'CMD ["bash"]' - "$name" >/dev/null
say "$name is ready: $(docker image inspect -f '{{.Size}}' "$name" | awk '{printf "%.0f MB", $1 / 1e6}')"
