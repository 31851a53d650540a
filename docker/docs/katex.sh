#!/usr/bin/env bash
# KaTeX into FOLDER: Debian's, unpacked only, since its fonts are not to be among the system's (a
# stand-in draws with all of those).
set -euo pipefail
folder=$(realpath -m "$1") unpacked=$(mktemp -d)
cd "$unpacked"
apt-get update -qq
apt-get download -qq libjs-katex fonts-katex
for package in *.deb; do dpkg-deb -x "$package" .; done
mkdir -p "$folder/fonts"
cp usr/share/javascript/katex/{katex.js,contrib/auto-render.js} "$folder/"
cp usr/share/javascript/katex/katex.min.css "$folder/katex.css"
cp usr/share/fonts/truetype/katex/*.woff2 "$folder/fonts/"
cp usr/share/doc/libjs-katex/copyright "$folder/"
rm -rf "$unpacked" /var/lib/apt/lists/* /var/cache/apt/*.bin
