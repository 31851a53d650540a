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

# Results of tests never replace results of record.
smoke() {
  SOLVERGRAD_DATA=$scratch/${FUNCNAME[1]} \
    SOLVERGRAD_CONFIG='{"epochs": 1, "train_images": 2000, "test_images": 500}' "$@"
}

# A run that found its results ready would test nothing.
trained() {
  grep -q 'epoch   1/1' "$1" || { echo "no training in $1"; return 1; }
}

programs() {
  local notebook program
  for notebook in notebooks/*.ipynb; do
    program=$(docker/program.sh "$notebook") && smoke "$program" >"$scratch/log" 2>&1 \
      || { tail -n 20 "$scratch/log"; echo "$notebook failed as a program"; return 1; }
    trained "$scratch/log" || return 1
    echo "$notebook: ok as a program"
  done
}

notebooks() {
  local notebook
  for notebook in notebooks/*.ipynb; do
    smoke python docker/notebook.py "$notebook" --timeout 600 --out "$scratch/run.ipynb" || return 1
    trained "$scratch/run.ipynb" || return 1
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
step kernel python docker/test_kernel.py
step notebooks notebooks

[ $failed = 0 ] || echo "failed: ${names[*]}"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
