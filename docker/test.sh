#!/usr/bin/env bash
# The whole test suite, inside the image: `docker compose run --rm lab test [STEP...]`.
set -uo pipefail
cd /lab
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0 names=()

step() {
  local name=$1 start=$SECONDS
  shift
  if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then return; fi
  printf '\n== %s\n' "$name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1)) names+=("$name")
  fi
  echo "== $name: $((SECONDS - start)) s"
}

# What makes a notebook small enough for a test.
smoke() {
  case ${1##*/} in
  01_*) echo --set train_images=2000 --set test_images=500 ;;
  03_*) echo --set train_maps=140 --set test_maps=70 ;;
  04_*) echo --set train_instances=500 --set test_instances=100 ;;
  esac
}

# A run that found its results ready would test nothing.
trained() {
  grep -q 'epoch   1/1' "$1" || { echo "no training in $1"; return 1; }
}

programs() {
  local notebook ldd
  solvergrad notebook check notebooks/*.ipynb --set epochs=1 || return 1
  for notebook in notebooks/*.ipynb; do
    solvergrad notebook build "$notebook" -o "$scratch/program" --set epochs=1 || return 1
    rm -rf "$scratch/program-out"
    # shellcheck disable=SC2046 # words
    "$scratch/program" $(smoke "$notebook") --out "$scratch/program-out" >"$scratch/log" 2>&1 \
      || { tail -n 20 "$scratch/log"; echo "$notebook failed as a program"; return 1; }
    trained "$scratch/log" || return 1
    # As on another machine: nothing of the image but libtorch.
    ldd=$(LD_LIBRARY_PATH=$scratch/program.lib:/opt/libtorch/lib ldd "$scratch/program") || return 1
    ! grep -E 'not found|/opt/(solvergrad|highs)|/usr/local' <<<"$ldd" || { echo "$notebook: libraries are missing beside the program"; return 1; }
    [ -n "$(find "$scratch/program-out/results" -name '*.csv')" ] || { echo "no records"; return 1; }
    echo "$notebook: ok as a program"
  done
}

notebooks() {
  local notebook
  for notebook in notebooks/*.ipynb; do
    rm -rf "$scratch/run"
    # shellcheck disable=SC2046 # words
    solvergrad notebook run "$notebook" --out "$scratch/run" --set epochs=1 $(smoke "$notebook") || return 1
    trained "$scratch/run/${notebook##*/}" || return 1
    [ -n "$(find "$scratch/run/figures" -name '*.pdf')" ] || { echo "no figures"; return 1; }
  done
}

# Programs know where Rust's own library and libstack.so are; documentation examples do not.
library() {
  LD_LIBRARY_PATH=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/debug/deps:$(rustc --print target-libdir):$LD_LIBRARY_PATH \
    mold -run cargo --offline test --quiet -p solvergrad
}

/opt/solvergrad/kernel/freshness.sh apply "$CARGO_TARGET_DIR"

wanted=("$@")
step format cargo fmt --all --check
step lints mold -run cargo --offline clippy --quiet -p solvergrad -p stack --all-targets -- -D warnings
step library library
step doctor solvergrad doctor
step programs programs
step conformance python docker/test_conformance.py
step kernel python docker/test_kernel.py
step notebooks notebooks

[ $failed = 0 ] || echo "failed: ${names[*]}"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
