#!/bin/sh
# Install Ghalla, or a newer one, from the folder that this file lies in.  Needs no internet.
#
#   sh install.sh                  as root, on Debian 12/13 or Raspberry Pi OS (64-bit)
#   sh install.sh --trust KEY.pub  only if that key signed this folder; and so from now on
#   sh /opt/ghalla/install.sh --from DIR   nothing of DIR runs before its signature was checked
#   sh install.sh --check          look whether the folder is whole, change nothing
#   sh install.sh --no-start       install, but start nothing
#
# Run it as often as you like: what is there stays, what a power cut left half done is done again.
# edge_app/appliance/release_folder.py says what the folder holds, layout.py where things go.
set -eu
umask 022
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONSAFEPATH=1 PYTHONNOUSERSITE=1
unset PYTHONPATH PYTHONHOME PIP_CONFIG_FILE 2>/dev/null || true

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
code=/opt/ghalla data=/var/lib/ghalla etc=/etc/ghalla units=/etc/systemd/system
home=$data/home
python=python3
need_mb=700
wait_s=120
trust='' from='' only_check=no start=yes

say() { printf '%s\n' "$*"; }
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

# --- The folder -------------------------------------------------------------------------------

# Links, devices and names that lead elsewhere are no part of a release; nothing of it is read then.
check_names() {
    [ -f SHA256SUMS ] && [ ! -L SHA256SUMS ] || fail "no SHA256SUMS in $here: this is no release"
    [ "$(wc -c <SHA256SUMS)" -lt 1000000 ] || fail "SHA256SUMS is too long: this is no release"
    name='[A-Za-z0-9_][A-Za-z0-9._+-]*'
    bad=$(grep -v -E -x -m 1 "[0-9a-f]{64}  $name(/$name)*" SHA256SUMS || true)
    [ -z "$bad" ] || fail "SHA256SUMS names what is no file of a release: $bad"
    bad=$(find . ! -type f ! -type d | head -n 1)
    [ -z "$bad" ] || fail "$bad is a link or a device: this folder was tampered with"
    bad=$(find . -size +1000000k | head -n 1)
    [ -z "$bad" ] || fail "$bad is larger than any file of a release"
}

# A public key file is "ghalla-public-1 BASE64"; openssl wants RFC 8410's head before the 32 bytes.
signed_by() {
    head -c 200 "$1" | grep -q '^ghalla-public-1 ' || fail "$1 is no public key of Ghalla"
    printf '\060\052\060\005\006\003\053\145\160\003\041\000' >"$work/key"
    head -c 200 "$1" | cut -d ' ' -f 2 | base64 -d >>"$work/key" 2>/dev/null || return 1
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin \
        -in "$work/message" -sigfile "$work/signature" >/dev/null 2>&1
}

check_signature() {
    keys=$trust
    [ -n "$keys" ] || keys=$(find "$etc/trust" -name '*.pub' 2>/dev/null || true)
    if [ -z "$keys" ]; then
        say "No key is trusted here yet, so nobody vouches for this folder (see --trust)."
        return
    fi
    command -v openssl >/dev/null || fail "openssl is missing: it checks who signed this folder"
    [ -f SHA256SUMS.sig ] || fail "this folder is not signed, and this box takes signed ones only"
    { printf 'ghalla release 1\n'; cat SHA256SUMS; } >"$work/message"
    head -c 200 SHA256SUMS.sig | base64 -d >"$work/signature" 2>/dev/null || true
    printf '%s\n' "$keys" >"$work/keys"
    while read -r key; do
        if signed_by "$key"; then
            say "Signed by $(basename "$key" .pub)."
            return
        fi
    done <"$work/keys"
    fail "no key that this box trusts has signed this folder"
}

check_sums() {
    sha256sum --check --strict --quiet SHA256SUMS >"$work/sums" 2>&1 ||
        fail "this folder is damaged or was changed: $(head -n 1 "$work/sums")"
    say "Every file is as it was published."
}

# --- The system -------------------------------------------------------------------------------

check_system() {
    [ "$(uname -s)" = Linux ] || fail "Ghalla runs on Linux"
    command -v "$python" >/dev/null || fail "python3 is missing: Ghalla needs Python 3.11 or newer"
    version=$("$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    arch=$("$python" -I -c 'import platform; print(platform.machine())')
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Ghalla needs Python 3.11 or newer, and this system has $version"
    target=cp$(printf '%s' "$version" | tr -d .)-$arch
    [ -f "targets/$target" ] || fail "this folder has nothing for Python $version on $arch, only" \
        "for: $(ls targets | tr '\n' ' ')"
    "$python" -I -c 'import venv' || fail "Python's venv is missing: apt install python3-venv"
}

check_room() {
    mkdir -p "$code/releases"
    free_mb=$(df -Pm "$code" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$need_mb" ] || fail "$code has $free_mb MB free; $need_mb are needed"
}

make_user() {
    getent group ghalla >/dev/null || groupadd --system ghalla
    getent passwd ghalla >/dev/null || useradd --system --gid ghalla --home-dir "$data" \
        --no-create-home --shell /usr/sbin/nologin --comment 'Ghalla node' ghalla
}

# The node may write its home and its requests, nothing else.
make_folders() {
    install -d -o root -g ghalla -m 0750 "$data" "$data/box"
    install -d -o ghalla -g ghalla -m 0700 "$home" "$data/box/requests" "$data/trial"
    install -d -m 0755 "$etc" "$etc/trust"
    [ -z "$trust" ] || install -m 0644 "$trust" "$etc/trust/"
}

# --- The release ------------------------------------------------------------------------------

as_ghalla() { setpriv --reuid ghalla --regid ghalla --init-groups --no-new-privs "$@"; }

# release.json comes last: a folder without it is what a power cut left.
install_release() {
    release=$code/releases/$name
    if [ -f "$release/release.json" ] && "$release/venv/bin/python" -I -c 'import edge_app' 2>/dev/null; then
        say "Ghalla $name is installed already."
        return
    fi
    say "Installing Ghalla $name for Python $version on $arch ..."
    rm -rf "$release"
    mkdir -p "$release"
    "$python" -m venv --without-pip "$release/venv"
    pip=$(ls wheels/pip-*.whl)
    "$release/venv/bin/python" "$pip/pip" --isolated --quiet --disable-pip-version-check \
        --no-cache-dir install --no-index --find-links wheels --require-hashes \
        --no-deps --only-binary :all: --requirement "targets/$target" || {
        rm -rf "$release"
        fail "pip could not install it; what was there before is untouched"
    }
    sync
    printf '{"version": "%s", "python": "%s", "arch": "%s"}\n' "$name" "$version" "$arch" \
        >"$release/release.json"
    sync
}

# The first settings of a box: all phones on its network, tablets over https, its own Wi-Fi.
make_home() {
    [ ! -f "$home/store.sqlite" ] || return 0
    as_ghalla "$release/venv/bin/ghalla" init --home "$home" >/dev/null
    grep -q '^host *=' "$home/settings.toml" ||
        cat >>"$home/settings.toml" <<'SETTINGS'

# Of a box:
host = "::"
https_port = 8443
box_root = "/"
SETTINGS
}

# In one step each: a power cut leaves the old link or the new one.  The node runs "current", what
# updates it runs "steady".
use_release() {
    # The updater's state first, since the links follow it: it forgets trials, but not the newest
    # bundle ever seen.  Without its word (a release whose programs do not run) it begins anew.
    "$code/releases/$name/venv/bin/ghalla" box update adopt "$1" >/dev/null ||
        rm -f "$data/box/update/state.json" "$data/box/update/on-trial"
    for link in current steady; do
        rm -f "$code/$link.new"
        ln -s "releases/$1" "$code/$link.new"
        mv -T "$code/$link.new" "$code/$link"
    done
    sync
}

write_command() {
    install -m 0644 install.sh "$code/install.sh.new"
    mv "$code/install.sh.new" "$code/install.sh"
    cat >/usr/local/bin/ghalla.new <<'COMMAND'
#!/bin/sh
# ghalla on this box: its own home, and its own user but for `ghalla box`, which may need root.
export GHALLA_HOME="${GHALLA_HOME:-/var/lib/ghalla/home}" PYTHONSAFEPATH=1
program=/opt/ghalla/current/venv/bin/ghalla
if [ "$(id -u)" = 0 ] && [ "${1:-}" != box ]; then
    exec setpriv --reuid ghalla --regid ghalla --init-groups --no-new-privs "$program" "$@"
fi
exec "$program" "$@"
COMMAND
    chmod 0755 /usr/local/bin/ghalla.new
    mv /usr/local/bin/ghalla.new /usr/local/bin/ghalla
}

write_units() {
    mkdir -p "$units" /etc/systemd/journald.conf.d
    for unit in systemd/*.service systemd/*.timer systemd/*.path; do
        [ ! -f "$unit" ] || install -m 0644 "$unit" "$units/"
    done
    install -m 0644 systemd/journald.conf /etc/systemd/journald.conf.d/ghalla.conf
}

# --- The start --------------------------------------------------------------------------------

# What is to be enabled says so itself, by an [Install] section.
start_units() {
    systemctl daemon-reload
    for unit in $(cd systemd && grep -l '^\[Install\]' -- *.service *.timer *.path 2>/dev/null); do
        systemctl --quiet enable "$unit"
        case $unit in
        ghalla.service) ;;
        *) systemctl start "$unit" || say "Care: $unit does not start; see: journalctl -u $unit" ;;
        esac
    done
    systemctl try-restart systemd-journald.service || true
    restart_node
}

# What is asked for a page afterwards must be the new one.
restart_node() {
    systemctl stop ghalla.service
    systemctl reset-failed ghalla.service 2>/dev/null || true
    systemctl --no-block start ghalla.service
}

answers() {
    "$python" -I -c 'import sys, urllib.request as r
r.build_opener(r.ProxyHandler({})).open("http://127.0.0.1:%s/" % sys.argv[1], timeout=5)' \
        "$port" 2>/dev/null
}

wait_for_page() {
    until=$(($(date +%s) + wait_s))
    while [ "$(date +%s)" -lt "$until" ]; do
        if answers; then return 0; fi
        restarts=$(systemctl show --property NRestarts --value ghalla.service)
        [ "${restarts:-0}" -lt 3 ] || return 1
        sleep 1
    done
    return 1
}

# Releases that nobody wants any more.
tidy() {
    for each in "$code"/releases/*; do
        case $(basename "$each") in
        "$name" | "$before") ;;
        *) rm -rf "$each" ;;
        esac
    done
}

# A release that does not answer gives way to the one before it.
go_back() {
    [ -n "$before" ] && [ "$before" != "$name" ] ||
        fail "the node does not answer; see: journalctl -u ghalla"
    use_release "$before"
    restart_node
    fail "Ghalla $name does not answer here: $before is in use again (journalctl -u ghalla)"
}

# An access point of its own needs these; a node on somebody else's network does not.
say_missing() {
    missing=''
    for program in nmcli dnsmasq nft; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    [ -z "$missing" ] || say "For a Wi-Fi of its own this box still lacks:$missing" \
        "(Debian: network-manager dnsmasq-base nftables)"
}

say_address() {
    address=$(hostname -I 2>/dev/null | cut -d ' ' -f 1)
    say "Ghalla $name answers at http://${address:-127.0.0.1}:$port/"
    setup=$(journalctl -u ghalla -b -o cat 2>/dev/null | grep -o 'http://[^ ]*/staff/setup?code=[^ ]*' |
        tail -n 1 || true)
    [ -z "$setup" ] || say "Become its keeper: $setup"
}

main() {
    while [ $# -gt 0 ]; do
        case $1 in
        --trust)
            [ -f "${2:-}" ] || fail "--trust needs the file of a public key"
            trust=$(realpath "$2")
            shift
            ;;
        --from)
            [ -d "${2:-}" ] || fail "--from needs the folder of a release"
            from=$(realpath "$2")
            here=$from
            shift
            ;;
        --check) only_check=yes ;;
        --no-start) start=no ;;
        *) fail "unknown option $1; see the head of this file" ;;
        esac
        shift
    done
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$here"
    check_names
    check_signature
    check_sums
    name=$(head -n 1 VERSION)
    [ "$only_check" = no ] || exit 0
    if [ -n "$from" ]; then
        rm -rf "$work"
        exec sh "$here/install.sh"
    fi

    [ "$(id -u)" = 0 ] || fail "only root may install: sudo sh install.sh"
    check_system
    check_room
    make_user
    make_folders
    install_release
    make_home
    before=$(readlink "$code/current" 2>/dev/null || true)
    before=${before##*/}
    use_release "$name"
    write_command
    write_units
    port=$(sed -n 's/^port *= *\([0-9]*\).*/\1/p' "$home/settings.toml" | tail -n 1)
    port=${port:-8080}
    if [ ! -d /run/systemd/system ]; then
        say "systemd does not run here (a container?), so nothing starts by itself."
        say "Start the node with: ghalla serve"
    elif [ "$start" = yes ]; then
        start_units
        wait_for_page || go_back
        tidy
        say_missing
        say_address
    fi
}

main "$@"
