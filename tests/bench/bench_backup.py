"""Backups and the encryption of a whole card: what they cost here.

    python -m tests.bench.bench_backup [--megabytes 500]

A home with that many megabytes of photos (random bytes: nothing packs them) goes to a folder that
stands for a stick, once in full and once with little new, and back.  Then the ciphers that Linux
uses for whole disks, on one core: AES-XTS with the processor's instructions and without (a
Raspberry Pi 4 has none), and ChaCha20, of which Adiantum is made.  The share of a core is for an
SD card that reads 40 MB/s.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge_app.appliance.backup import Backups
from edge_app.appliance.backup_keys import set_passphrase
from edge_app.appliance.restoring import find, restore
from edge_app.node import init_home

WORDS = "seven dry figs and a well"
CARD_MB_S = 40.0
# AES, PCLMULQDQ, and the vector forms of both.
_WITHOUT = "~0x200000200000000:~0x60000000000"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=500)
    with tempfile.TemporaryDirectory() as folder:
        _backups(Path(folder), parser.parse_args().megabytes)
    for name, cipher, environ in (
        ("AES-256-XTS, with instructions", "aes-256-xts", {}),
        ("AES-256-XTS, without", "aes-256-xts", {"OPENSSL_ia32cap": _WITHOUT}),
        ("ChaCha20", "chacha20", {}),
    ):
        speed = _speed(cipher, environ)
        print(f"{name:36} {speed:8.0f} MB/s  {100 * CARD_MB_S / speed:5.1f} % of a core")


def _backups(folder: Path, megabytes: int) -> None:
    home, stick = folder / "home", folder / "stick"
    init_home(home)
    stick.mkdir()
    for n in range(megabytes * 2):
        shelf = home / "photos" / f"{n % 256:02x}"
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / f"{n:064x}.jpg").write_bytes(os.urandom(500_000))
    set_passphrase(home, WORDS)
    _timed("first backup", megabytes, lambda: Backups(home, stick).create())
    (home / "photos" / "new.jpg").write_bytes(os.urandom(500_000))
    _timed("the next, one photo more", megabytes, lambda: Backups(home, stick).create())
    _timed("put back", megabytes, lambda: restore(find(stick, WORDS), folder / "card"))


def _timed(name: str, megabytes: int, action: Callable[[], object]) -> None:
    start = time.perf_counter()
    action()
    took = time.perf_counter() - start
    print(f"{name:36} {took:8.1f} s     {megabytes / took:5.0f} MB/s of the home")


def _speed(cipher: str, environ: dict[str, str]) -> float:
    """Megabytes a second of one core, in blocks of 16 kB."""
    asked = ["openssl", "speed", "-seconds", "2", "-bytes", "16384", "-evp", cipher]
    done = subprocess.run(
        asked, capture_output=True, text=True, check=True, env={**os.environ, **environ}
    )
    return float(re.findall(r"([\d.]+)k\s*$", done.stdout.strip())[-1]) / 1000


if __name__ == "__main__":
    main()
