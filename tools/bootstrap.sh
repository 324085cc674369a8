#!/bin/sh
# Set up .venv for `run` or `dev`. Finds a Python that is new enough; bootstrap.py does the rest.
# PYTHON=/path/to/python overrides the search.
set -eu
cd "$(dirname "$0")/.."

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" || {
        echo "mltrading: PYTHON=$PYTHON is not a Python 3.11 or newer" >&2
        exit 1
    }
    exec "$PYTHON" tools/bootstrap.py "$1"
fi
for candidate in python3.13 python3.12 python3.11 python3 python; do
    if new_enough "$candidate"; then
        exec "$candidate" tools/bootstrap.py "$1"
    fi
done
if command -v apt-get >/dev/null 2>&1; then
    way_out="install one with: apt-get install python3 python3-venv"
else
    way_out="install one from https://www.python.org/downloads/"
fi
echo "mltrading: no Python 3.11 or newer found; $way_out (or name it: make run PYTHON=/path/to/python)" >&2
exit 1
