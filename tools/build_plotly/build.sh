#!/bin/sh
# Build static/vendor/plotly.min.js.{br,gz} from the pinned plotly.js; leaves no node_modules behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
trap 'rm -rf "$here/node_modules"' EXIT
(cd "$here" && npm ci --ignore-scripts --no-audit --no-fund)
node "$here/build.js"
