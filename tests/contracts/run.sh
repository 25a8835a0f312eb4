#!/bin/sh
# Every file of contract tests, two at a time; whatever failed is printed last.
# A file gets a chain of its own, since Ape's snapshots do not keep a session of several hundred
# tests apart, and a data folder of its own, since Ape rewrites its list of nodes in place.
set -eu
cd "$(dirname "$0")/../.."
ape=.venv-contracts/bin/ape
data="$PWD/.lastro/ape"

tested() { # file, log
  APE_DATA_FOLDER="$data/$(basename "$1" .py)" "$ape" test --quiet --disable-warnings "$1" >"$2" 2>&1
}

if [ $# -eq 1 ]; then
  name=$(basename "$1" .py)
  log="$data/$name.log"
  # Ape draws a port at random and gives up when its anvil does not answer there: then no test has
  # run, and the file is given once more.
  if tested "$1" "$log" || { grep -q RPCTimeoutError "$log" && tested "$1" "$log"; }; then
    tail -n 1 "$log"
  else
    mv "$log" "$data/$name.failed"
  fi
  exit 0
fi

rm -rf "$data"
mkdir -p "$data"
ls tests/contracts/test_*.py | xargs -P 2 -n 1 sh tests/contracts/run.sh
failed=$(ls "$data" | grep '\.failed$' || true)
[ -z "$failed" ] && exit 0
for name in $failed; do
  tail -n 60 "$data/$name"
done
echo "contract tests failed:" $failed >&2
exit 1
