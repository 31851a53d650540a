#!/usr/bin/env bash
# Runs a command of the lab as the user who owns the mounted notebooks, so that files made here
# belong to the person who started it.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
  user=$(stat -c %u /lab/notebooks) group=$(stat -c %g /lab/notebooks)
  # Some engines' file systems look up an access list at each use of a folder whose mode speaks of a
  # group, and every path begins here: without these bits a cell compiles in less than half the time.
  # Not where those bits are the ones that let the user in.
  [ "$user" != 0 ] && [ "$group" = 0 ] || chmod g= / 2>/dev/null || true
  # Root inside is the person outside when the engine itself runs without root.
  rootless=$(awk '$1 == 0 && $2 != 0 {print "yes"}' /proc/self/uid_map)
  if [ "$user" != 0 ]; then
    groupmod -o -g "$group" lab && usermod -o -u "$user" -g "$group" lab 2>/dev/null
    exec setpriv --reuid "$user" --regid "$group" --init-groups "$0" "$@"
  elif [ -z "$rootless" ]; then
    # A checkout owned by root: an ordinary user all the same, allowed to write to the mounts.
    # Without the securebit access(2) ignores that right, and JupyterLab shows read-only notebooks.
    exec setpriv --reuid lab --regid lab --init-groups \
      --securebits +no_setuid_fixup --inh-caps +dac_override --ambient-caps +dac_override "$0" "$@"
  fi
fi

for folder in /lab/notebooks /lab/data; do
  [ -w "$folder" ] || echo "solvergrad: user $(id -u) cannot write to $folder: give it to the owner of notebooks/" >&2
done

export HOME=/home/lab
[ -w "$HOME" ] || export HOME=/tmp

/opt/solvergrad/kernel/freshness.sh warn

# The command line of an edited library, not of the image's: compiled once for each edit and kept in
# data/, since a container of `run --rm` keeps nothing.
current() {
  /opt/solvergrad/kernel/freshness.sh is-built && return
  local deps=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/debug all=/lab/data/.solvergrad kept
  kept=$all/$(/opt/solvergrad/kernel/freshness.sh digest)-$(stat -c %Y /opt/solvergrad/crate.sha256)
  if [ ! -x "$kept/solvergrad" ]; then
    echo "crate/ is not what the image was built with: compiling it, about a minute, once for each edit" >&2
    /opt/solvergrad/kernel/freshness.sh apply "$CARGO_TARGET_DIR"
    (cd /lab && mold -run cargo --offline build --quiet -p solvergrad)
    if [ -w /lab/data ]; then
      rm -rf "$all" && mkdir -p "$kept" && cp "$deps/solvergrad" "$kept/.part" && mv "$kept/.part" "$kept/solvergrad"
    fi
  fi
  export PATH=$kept:$PATH LD_LIBRARY_PATH=$deps/deps:$LD_LIBRARY_PATH
}

cargo_ready() {
  cd /lab
  /opt/solvergrad/kernel/freshness.sh apply "$CARGO_TARGET_DIR"
  # As for documentation examples (test.sh): where Rust's own library and libstack.so are.
  export LD_LIBRARY_PATH=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/debug/deps:$(rustc --print target-libdir):$LD_LIBRARY_PATH
}

case ${1:-lab} in
lab)
  # The server's own words name the port inside the container: it is given a token, which it then
  # does not print, and the link that works from outside is printed once it answers.
  export JUPYTER_TOKEN=${JUPYTER_TOKEN:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}
  (
    until curl --noproxy '*' --silent --output /dev/null http://127.0.0.1:8888/api; do sleep 0.3; done
    printf '\nSolverGrad is ready:\n\n    %s/lab/tree/notebooks?token=%s\n\n' \
      "${LAB_ADDRESS:-http://127.0.0.1:8888}" "$JUPYTER_TOKEN"
  ) &
  exec jupyter lab --ServerApp.log_level=WARN --ServerApp.root_dir=/lab --ServerApp.ip=0.0.0.0 --ServerApp.port=8888 \
    --ServerApp.port_retries=0 --ServerApp.open_browser=False \
    --LabApp.default_url=/lab/tree/notebooks \
    $([ "$(id -u)" = 0 ] && echo --allow-root)
  ;;
test) exec /lab/docker/test.sh "${@:2}" ;;
bench)
  # Peers are 6 GB: kept on the host, unless a folder for them is there already.
  [ -d /var/tmp/solvergrad-peers ] || export SOLVERGRAD_PEERS=${SOLVERGRAD_PEERS:-/lab/data/peers}
  current && cargo_ready && exec python3 /lab/docker/bench.py "${@:2}"
  ;;
bench-rust)
  cargo_ready
  exec mold -run cargo --offline bench --quiet --profile dev -p solvergrad --bench solver -- "${@:2}"
  ;;
cross-check)
  # Python's packages bring their libraries; those of the image may be others.
  LD_LIBRARY_PATH='' python3 /lab/docker/cross_check.py --out /tmp/peers.json
  cargo_ready
  SOLVERGRAD_PEERS_FILE=/tmp/peers.json exec mold -run cargo --offline test --quiet -p solvergrad --test peers
  ;;
bench-solvers) current && exec python3 /lab/docker/bench_solvers.py "${@:2}" ;;
bench-warcraft) current && exec python3 /lab/docker/bench_warcraft.py "${@:2}" ;;
docs) exec /lab/docker/docs/make.sh "${@:2}" ;;
export) exec /opt/jupyter/bin/python /lab/docker/export.py "${@:2}" ;;
notebook) exec solvergrad "$@" ;;
doctor | data | solve | sweep) current && exec solvergrad "$@" ;;
help)
  cat <<'TEXT'
lab                        JupyterLab (`docker compose up`)
doctor                     what works, what is missing
data list|fetch|verify|make
notebook run|check|build   a notebook without Jupyter, or as a program
sweep FILE.toml            many runs of a notebook
solve PROBLEM              the solvers on the command line
export NOTEBOOK            as HTML and PDF
docs                       the library's pages
test [STEP...]             the test suite
bench, bench-rust, cross-check
Each with --help, where it takes anything.
TEXT
  ;;
scheduler) exec dask scheduler --port 8786 --dashboard-address :8787 "${@:2}" ;;
worker)
  # Programs are processes of their own, so that the engine need not mind their memory. A worker whose
  # scheduler is gone ends; whoever started it starts it again.
  threads=${WORKER_THREADS:-$(nproc)}
  memory=$(awk '/MemAvailable/ {printf "%d", $2 / 1e6}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true)
  [[ $limit =~ ^[0-9]+$ ]] && [ $((limit / 1000000000)) -lt "$memory" ] && memory=$((limit / 1000000000)) || true
  exec dask worker "${SCHEDULER:-tcp://scheduler:8786}" --no-nanny --nthreads "$threads" --memory-limit 0 --no-dashboard \
    --local-directory /tmp --death-timeout 60 --resources "threads=$threads memory_gb=${WORKER_MEMORY_GB:-$memory} gpus=${WORKER_GPUS:-0}" "${@:2}"
  ;;
*) exec "$@" ;;
esac
