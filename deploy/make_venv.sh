#!/bin/sh
# Make a virtual environment: make_venv.sh PYTHON FOLDER
# Debian packs ensurepip apart (python3-venv); where this user may, it is installed.
set -eu
python=$1
folder=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Ghalla needs Python 3.11 or newer; $("$python" --version) is what '$python' gives." >&2
    exit 1
}
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    echo "Installing python3-venv (Debian keeps it apart from Python) ..." >&2
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq && apt-get install -y -qq python3-venv
    elif sudo -n true 2>/dev/null; then
        sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv
    else
        echo "Please run: sudo apt install python3-venv   and then make again." >&2
        exit 1
    fi
fi
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --upgrade pip
