#!/bin/sh
# Take Ghalla off this box.  What people recorded stays, in /var/lib/ghalla, unless you say
#   sh uninstall.sh --erase-data
# which removes records, photos, keys, settings and the user for good.
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
code=/opt/ghalla data=/var/lib/ghalla etc=/etc/ghalla units=/etc/systemd/system

fail() {
    printf 'uninstall.sh: %s\n' "$*" >&2
    exit 1
}

erase=no
for word in "$@"; do
    [ "$word" = --erase-data ] || fail "unknown option $word; known is --erase-data"
    erase=yes
done
[ "$(id -u)" = 0 ] || fail "only root may do that: sudo sh uninstall.sh"

for unit in "$units"/ghalla*.timer "$units"/ghalla*.path "$units"/ghalla*.service; do
    [ -f "$unit" ] || continue
    if [ -d /run/systemd/system ]; then
        systemctl --quiet disable --now "$(basename "$unit")" 2>/dev/null || true
    fi
    rm -f "$unit" "$units"/*.wants/"$(basename "$unit")"
done
rm -f /etc/systemd/journald.conf.d/ghalla.conf /usr/local/bin/ghalla
# The Wi-Fi and the firewall go with it; passphrase and name stay among the settings.
rm -f /etc/NetworkManager/system-connections/ghalla-wifi.nmconnection /etc/modprobe.d/ghalla-wifi.conf \
    /etc/systemd/system/avahi-daemon.service.d/ghalla.conf
rm -rf "$etc/network" "$etc/network-before"
if command -v nft >/dev/null && nft list table inet ghalla >/dev/null 2>&1; then
    nft delete table inet ghalla
fi
rm -rf "$code"
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    nmcli connection reload 2>/dev/null || true
fi

if [ "$erase" = yes ]; then
    rm -rf "$data" "$etc"
    ! getent passwd ghalla >/dev/null || userdel ghalla
    ! getent group ghalla >/dev/null || groupdel ghalla
    echo "Ghalla and everything that was recorded here are gone."
else
    echo "Ghalla is gone; what was recorded stays in $data, and settings in $etc."
    echo "install.sh finds them again. To erase them too: sh uninstall.sh --erase-data"
fi
