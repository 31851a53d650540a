#!/usr/bin/env bash
# Installs libtorch from the PyPI wheels into /opt/libtorch-site/torch and builds tch's C shim
# against it, from the sources that the crate torch-sys carries.
#   libtorch.sh cpu   the CPU part of the wheel (0.5 GB)
#   libtorch.sh cuda  the whole wheel with its CUDA libraries (about 5 GB)
set -euo pipefail
variant=$1
torch=2.11.0
site=/opt/libtorch-site
work=$(mktemp -d)
python=$work/python/bin/python

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ >/dev/null
python3 -m venv "$work/python"
(cd "$work" && cargo init --quiet --name fetch && cargo add --quiet torch-sys@=0.24.0 && cargo fetch --quiet)

case $variant in
cpu)
  download=$(mktemp -d)
  # libtorch_cpu.so of the CUDA wheel needs these two small libraries, and nothing else of CUDA.
  "$python" -m pip download --no-cache-dir --quiet --no-deps -d "$download" \
    "torch==$torch" nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96
  "$python" - "$download" "$site" <<'PY'
import pathlib, sys, zipfile
download, site = map(pathlib.Path, sys.argv[1:])
keep = ("libtorch_cpu.so", "libc10.so", "libgomp", "libcupti.so", "libcudart.so")
for wheel in download.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            base = pathlib.PurePosixPath(name).name
            if name.startswith("torch/include/"):
                archive.extract(name, site)
            elif "/lib/" in name and base.startswith(keep):
                target = site / "torch/lib" / base
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
PY
  rm -rf "$download"
  ;;
cuda)
  "$python" -m pip install --no-cache-dir --quiet --target "$site" "torch==$torch"
  ;;
*)
  echo "libtorch.sh: unknown variant '$variant': use cpu or cuda" >&2
  exit 2
  ;;
esac
ln -s "$site/torch" /opt/libtorch
# Names of functions that no program can link: a fifth of the library.
strip --strip-unneeded /opt/libtorch/lib/libtorch_cpu.so

# libtch.so: tch's C interface as a shared library, one copy for every cell.
mkdir -p /opt/solvergrad/lib
shim=$(echo "$CARGO_HOME"/registry/src/*/torch-sys-0.24.0/libtch)
flags=(-std=c++17 -O1 -fPIC -shared -w -D_GLIBCXX_USE_CXX11_ABI=1 -DGLOG_USE_GLOG_EXPORT
  -I/opt/libtorch/include -I/opt/libtorch/include/torch/csrc/api/include -L/opt/libtorch/lib)
g++ "${flags[@]}" -o /opt/solvergrad/lib/libtch.so "$shim/torch_api.cpp" "$shim/torch_api_generated.cpp" \
  -Wl,-rpath,/opt/libtorch/lib -ltorch_cpu -lc10
rm -rf "$work"
