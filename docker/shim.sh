#!/usr/bin/env bash
# Builds the library's own C++ (a differentiable operation with a Rust backward pass, fused Adam, a
# count of waits). NDEBUG as in libtorch itself: without it some of its structures have more members.
set -euo pipefail
g++ -std=c++17 -O2 -DNDEBUG -fPIC -shared -Wall -D_GLIBCXX_USE_CXX11_ABI=1 \
  -isystem /opt/libtorch/include -isystem /opt/libtorch/include/torch/csrc/api/include \
  -o /opt/solvergrad/lib/libsolvergrad_shim.so /lab/crate/shim/autograd.cpp \
  -L/opt/libtorch/lib -Wl,-rpath,/opt/libtorch/lib -ltorch_cpu -lc10
