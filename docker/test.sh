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

# The settings under which a notebook is done in a minute: `solvergrad.smoke` in its metadata.
settings_of() {
  mapfile -t settings < <(python3 -c 'import json, sys
for name, value in json.load(open(sys.argv[1]))["metadata"]["solvergrad"]["smoke"].items():
    print("--set", f"{name}={json.dumps(value)}", sep="\n")' "$1")
  [ ${#settings[@]} -gt 0 ] || { echo "$1 has no smoke settings in its metadata"; return 1; }
}

# A notebook with the library's training loop must have trained: a run that found its results ready
# would test nothing. One that writes records must have left them.
trained() {
  local notebook=$1 log=$2 out=$3
  ! grep -q 'Training {' "$notebook" || grep -q 'epoch   1/1' "$log" || { echo "no training in $notebook"; return 1; }
  ! grep -q 'write_csv' "$notebook" || [ -n "$(find "$out/results" -name '*.csv')" ] || { echo "no records of $notebook"; return 1; }
  [ -n "$(find "$out/figures" -name '*.pdf')" ] || { echo "no figures of $notebook"; return 1; }
}

programs() {
  local notebook ldd
  solvergrad notebook check notebooks/00_tour.ipynb || return 1
  for notebook in notebooks/*.ipynb; do
    settings_of "$notebook" || return 1
    solvergrad notebook build "$notebook" -o "$scratch/program" || return 1
    "$scratch/program" "${settings[@]}" --out "$scratch/program-out" >"$scratch/log" 2>&1 \
      || { tail -n 20 "$scratch/log"; echo "$notebook failed as a program"; return 1; }
    trained "$notebook" "$scratch/log" "$scratch/program-out" || return 1
    # As on another machine: nothing of the image but libtorch.
    ldd=$(LD_LIBRARY_PATH=$scratch/program.lib:/opt/libtorch/lib ldd "$scratch/program") || return 1
    ! grep -E 'not found|/opt/(solvergrad|highs)|/usr/local' <<<"$ldd" || { echo "$notebook: libraries are missing beside the program"; return 1; }
    rm -rf "$scratch"/program*
    echo "$notebook: ok as a program"
  done
}

notebooks() {
  local notebook start
  for notebook in notebooks/*.ipynb; do
    rm -rf "$scratch/run"
    start=$SECONDS
    settings_of "$notebook" || return 1
    solvergrad notebook run "$notebook" --out "$scratch/run" "${settings[@]}" || return 1
    trained "$notebook" "$scratch/run/${notebook##*/}" "$scratch/run" || return 1
    echo "$notebook: $((SECONDS - start)) s"
  done
}

# What the compiler says, what documents quote, the form of notebooks, the licences of crates.
lints() {
  mold -run cargo --offline clippy --quiet -p solvergrad -p stack --all-targets -- -D warnings || return 1
  python3 -m unittest discover --start-directory docker/checks || return 1
  python3 docker/checks/quoted.py && python3 docker/checks/bench_table.py && python3 docker/checks/lint_notebooks.py && python3 docker/checks/licences.py
}

# Programs know where Rust's own library and libstack.so are; documentation examples, which are among
# the tests, do not.
library() {
  LD_LIBRARY_PATH=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/debug/deps:$(rustc --print target-libdir):$LD_LIBRARY_PATH \
    mold -run cargo --offline test --quiet -p solvergrad && python3 docker/checks/readme_examples.py
}

/opt/solvergrad/kernel/freshness.sh apply "$CARGO_TARGET_DIR"

wanted=("$@")
step format cargo fmt --all --check
step lints lints
step library library
step docs docker/docs/make.sh "$scratch/docs"
step doctor solvergrad doctor
step programs programs
step conformance python docker/test_conformance.py
step kernel python docker/test_kernel.py
step notebooks notebooks

[ $failed = 0 ] || echo "failed: ${names[*]}"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
