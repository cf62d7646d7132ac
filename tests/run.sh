#!/usr/bin/env bash
# Every test of Narrowgate, one command: installs what is missing, then runs each part, and counts.
#
#   tests/run.sh             install, then test
#   tests/run.sh --offline   install nothing; a part that is missing fails with the command that installs it
#
# Debian packages come by apt-get (as root, or by sudo), the programs of tests/tools.txt and the client of tests/python into
# target/tools, the OpenID provider, the client and what drives the browser (tests/node) from their lock file. Pictures of the
# pages for users are left in target/screenshots. Nothing is skipped: what cannot run has failed.
set -uo pipefail
cd "$(dirname "$0")/.."

readonly TOOLS=target/tools
readonly NODE=tests/node
passed=0
failed=0
declare -a failures=()
tests=0

say() { printf '\n== %s\n' "$*"; }

# A part that could not be run, and how to make it run.
missing() {
    printf 'missing: %s\n  install it with: %s\n' "$1" "$2" >&2
    failed=$((failed + 1))
    failures+=("$1 is missing")
}

# Runs a part, and counts it.
part() {
    local name=$1
    shift
    say "$name"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures+=("$name")
        printf 'failed: %s\n' "$name" >&2
    fi
}

# Debian packages, by the program that each is for.
install_packages() {
    local wanted=() package
    has_venv || wanted+=(python3 python3-venv)
    command -v cc >/dev/null || wanted+=(gcc libc6-dev)
    command -v npm >/dev/null || wanted+=(nodejs npm)
    has_postgres || wanted+=(postgresql)
    has_chromium || wanted+=(chromium)
    command -v valgrind >/dev/null || wanted+=(valgrind)
    [ ${#wanted[@]} -eq 0 ] && return
    local elevate=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            for package in "${wanted[@]}"; do missing "$package" "apt-get install $package (as root)"; done
            return
        fi
        elevate=(sudo)
    fi
    if ! command -v apt-get >/dev/null; then
        for package in "${wanted[@]}"; do missing "$package" "your system's package manager; on macOS: xcode-select --install, brew install python node"; done
        return
    fi
    "${elevate[@]}" apt-get update -qq
    # Of PostgreSQL the tests need the programs; a cluster of the system's own is neither made nor started.
    if [[ " ${wanted[*]} " == *" postgresql "* ]]; then
        "${elevate[@]}" mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] \
            || echo 'create_main_cluster = false' | "${elevate[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    "${elevate[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}"
}

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

has_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

# The programs of tests/tools.txt and the clients of tests/python/requirements.txt: prebuilt, and checked by their hashes.
install_tools() {
    has_venv || { missing python3-venv 'apt-get install python3-venv'; return; }
    cat tests/tools.txt tests/python/requirements.txt | cmp -s - "$TOOLS/installed.txt" && return
    rm -rf "$TOOLS" && python3 -m venv "$TOOLS" \
        && "$TOOLS/bin/pip" install -q --disable-pip-version-check --require-hashes -r tests/tools.txt -r tests/python/requirements.txt \
        && cat tests/tools.txt tests/python/requirements.txt > "$TOOLS/installed.txt"
}

# The OpenID provider and the clients of tests/node, from their lock file.
install_node_programs() {
    command -v npm >/dev/null || { missing npm 'apt-get install npm'; return; }
    cmp -s "$NODE/package-lock.json" "$NODE/node_modules/.installed" && return
    (cd "$NODE" && npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.installed)
}

unit_and_integration_tests() {
    local log=target/nextest.log status
    cargo nextest run --locked --all-targets --no-fail-fast 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    tests=$((tests + $(sed -n 's/.* \([0-9][0-9]*\) passed.*/\1/p' "$log" | tail -1 | grep . || echo 0)))
    return "$status"
}

doc_tests() {
    local log=target/doctest.log status
    cargo test --locked --doc 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    tests=$((tests + $(sed -n 's/^test result: .* \([0-9][0-9]*\) passed.*/\1/p' "$log" | tail -1 | grep . || echo 0)))
    return "$status"
}

command -v cargo >/dev/null || { missing 'Rust 1.90 or newer' 'rustup toolchain install stable --component rustfmt,clippy'; exit 1; }
mkdir -p target
if [ "${1:-}" != --offline ]; then
    say 'install what the tests need'
    install_packages
    install_tools || missing 'the test programs' "python3 -m venv $TOOLS && $TOOLS/bin/pip install --require-hashes -r tests/tools.txt -r tests/python/requirements.txt"
    install_node_programs || missing 'the OpenID provider and the clients of the tests' "cd $NODE && npm ci"
fi
PATH="$PWD/$TOOLS/bin:$PATH"

needs() {
    local program=$1 hint=$2
    "${@:3}" >/dev/null 2>&1 && return 0
    missing "$program" "$hint"
    return 1
}
tools_hint="python3 -m venv $TOOLS && $TOOLS/bin/pip install --require-hashes -r tests/tools.txt -r tests/python/requirements.txt"

needs rustfmt 'rustup component add rustfmt' cargo fmt --version \
    && part 'format' cargo fmt --check
needs clippy 'rustup component add clippy' cargo clippy --version \
    && part 'clippy' cargo clippy --locked --all-targets --quiet -- -D warnings
needs cargo-nextest "$tools_hint" cargo nextest --version \
    && needs 'the OpenID provider and the clients of the tests' "cd $NODE && npm ci" test -d "$NODE/node_modules/openid-client" -a -d "$NODE/node_modules/playwright-core" \
    && needs 'the Python client of the tests' "$tools_hint" "$TOOLS/bin/python" -c 'import authlib' \
    && needs PostgreSQL 'apt-get install postgresql' has_postgres \
    && needs Chromium 'apt-get install chromium' has_chromium \
    && part 'unit and integration tests' unit_and_integration_tests
part 'doc tests' doc_tests
needs valgrind 'apt-get install valgrind' valgrind --version \
    && part 'instructions of a decision' cargo bench --locked --profile counted --bench instructions
part 'documentation' env RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items --quiet
needs cargo-deny "$tools_hint" cargo deny --version \
    && part 'dependencies' cargo deny --log-level error --locked check bans licenses sources
needs hadolint "$tools_hint" hadolint --version \
    && part 'Dockerfile' hadolint Dockerfile

if [ ${#failures[@]} -gt 0 ]; then
    printf '\nfailed: %s' "${failures[@]}"
    printf '\n'
fi
# The part that ran the tests counts as its tests.
printf '\n%d passed, %d failed\n' $((passed + tests)) "$failed"
[ "$failed" -eq 0 ]
