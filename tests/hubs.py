"""Hubs for tests: in this process, served by gunicorn, on a real PostgreSQL and a real S3 server.

Fixtures; import them into a test module by name.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sync.hub.app import Hub, open_hub
from sync.hub.blobs import close_file_system
from sync.hub.settings import HubSettings

_POSTGRES_ABSENT = "no PostgreSQL on this machine"
_S3_ABSENT = "no SeaweedFS on this machine"
_START_S = 60.0


def free_port() -> int:
    """A port that nobody listens on now; below those that the kernel gives away."""
    for _ in range(100):
        port = 12_000 + int.from_bytes(os.urandom(2)) % 18_000
        with socket.socket() as each, suppress(OSError):
            each.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


def wait_for(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Until somebody listens on the port."""
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        with socket.socket() as each:
            each.settimeout(1)
            if each.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode} before it listened on {port}")
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens on {port}")


@dataclass
class Postgres:
    """A PostgreSQL of our own in ``folder``; it keeps its word at a power cut with ``fsync``."""

    folder: Path
    port: int
    fsync: bool = False
    _names: int = 0

    def start(self) -> None:
        settings = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        more = f"-c max_connections=200 -c fsync={'on' if self.fsync else 'off'}"
        self._ctl("start", "-w", "-o", f"{settings} {more}", "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """At once, as at a power cut."""
        self._ctl("stop", "-m", "immediate", "-w")

    def new_database(self) -> str:
        """The URL of an empty one."""
        self._names += 1
        name = f"hub{self._names}"
        self._run("createdb", "-h", str(self.folder), "-p", str(self.port), name)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def make(self) -> None:
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")

    def _ctl(self, verb: str, *more: str) -> None:
        self._run("pg_ctl", verb, "-D", str(self.folder / "data"), *more)

    def _run(self, program: str, *arguments: str) -> None:
        path = _postgres_program(program)
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        env = {**os.environ, "PGUSER": "postgres"}
        with Path(os.devnull).open("wb") as nowhere:
            subprocess.run(
                [*user, str(path), *arguments], check=True, stdout=nowhere, env=env, cwd="/"
            )


def _postgres_program(name: str) -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found[-1] if found else None


@contextmanager
def running_postgres(fsync: bool = False) -> Iterator[Postgres]:
    """One of our own while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="ghalla-pg-"))
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    server = Postgres(folder, free_port(), fsync)
    try:
        server.make()
        server.start()
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL."""
    if _postgres_program("postgres") is None:
        pytest.skip(_POSTGRES_ABSENT)
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[Postgres]:
    """One that keeps its word at a power cut, for tests that stop it."""
    if _postgres_program("postgres") is None:
        pytest.skip(_POSTGRES_ABSENT)
    with running_postgres(fsync=True) as server:
        yield server


@dataclass
class S3:
    """A SeaweedFS that speaks S3; stopping it keeps what it has."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None
    _buckets: int = 0
    _ports: list[int] = field(default_factory=list)

    def start(self) -> None:
        self._ports = self._ports or [free_port() for _ in range(9)]
        master, master_rpc, volume, volume_rpc, filer, filer_rpc, s3_rpc, more, other = map(
            str, self._ports
        )
        program = Path(sys.executable).with_name("weed")
        options = {
            "dir": str(self.folder),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3": "true",
            "master.port": master,
            "master.port.grpc": master_rpc,
            "master.volumeSizeLimitMB": "64",
            "master.telemetry": "false",
            "volume.port": volume,
            "volume.port.grpc": volume_rpc,
            "volume.max": "100",
            "filer.port": filer,
            "filer.port.grpc": filer_rpc,
            "s3.port": str(self.port),
            "s3.port.grpc": s3_rpc,
            "s3.port.iceberg": more,
            "s3.port.lance": other,
            "s3.config": str(self._config()),
        }
        words = [f"-{key}={value}" for key, value in options.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), "server", *words], stdout=log, stderr=log, cwd=self.folder
            )
        wait_for(self.port, self._process)

    def stop(self) -> None:
        """Gone from the network; what it has stays on its disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def new_bucket(self) -> str:
        """An empty place, as ``--blobs`` takes it; the keys are in the environment."""
        import s3fs

        self._buckets += 1
        name = "hub"  # one: the server sets volumes aside for each
        endpoint = f"http://127.0.0.1:{self.port}"
        end = time.monotonic() + _START_S
        while True:  # it listens before it can keep anything
            try:
                system = s3fs.S3FileSystem(endpoint_url=endpoint, skip_instance_cache=True)
                if not system.exists(name):
                    system.mkdir(name)
                system.pipe_file(f"{name}/probe", b"probe")
                system.rm_file(f"{name}/probe")
                close_file_system(system)
                return f"s3://{name}/{self._buckets}?endpoint_url={endpoint}"
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def _config(self) -> Path:
        path = self.folder / "s3.json"
        keys = [{"accessKey": "ghalla", "secretKey": "ghalla-secret"}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        path.write_text(
            json.dumps({"identities": [{"name": "hub", "credentials": keys, "actions": actions}]})
        )
        return path


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """A real S3 server; its keys stand in the environment, where boto looks."""
    if not Path(sys.executable).with_name("weed").exists():
        pytest.skip(_S3_ABSENT)
    keys = {
        "AWS_ACCESS_KEY_ID": "ghalla",
        "AWS_SECRET_ACCESS_KEY": "ghalla-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    folder = Path(tempfile.mkdtemp(prefix="ghalla-s3-"))
    server = S3(folder, free_port())
    with pytest.MonkeyPatch.context() as patch:
        for key, value in keys.items():
            patch.setenv(key, value)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def settings_in(folder: Path) -> HubSettings:
    """A hub on SQLite and a folder."""
    return HubSettings(f"sqlite:///{folder}/hub.sqlite", str(folder / "blobs"), spare_bytes=0)


@contextmanager
def hub_on(settings: HubSettings) -> Iterator[Hub]:
    """A hub's parts in this process."""
    hub = open_hub(settings)
    try:
        yield hub
    finally:
        hub.database.close()
        hub.blobs.close()


@pytest.fixture
def sqlite_hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub on SQLite and a folder, in this process."""
    with hub_on(settings_in(tmp_path)) as hub:
        yield hub


@pytest.fixture(params=["sqlite", "postgresql"])
def any_hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    """A hub on each kind of database, in this process."""
    settings = settings_in(tmp_path)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
        settings = HubSettings(url, settings.blobs, spare_bytes=0)
    with hub_on(settings) as hub:
        yield hub


@dataclass
class ServedHub:
    """``ghalla hub serve`` in a process of its own, on ``port``."""

    settings: HubSettings
    port: int
    workers: int = 2
    more: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'https' if '--cert' in self.more else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        places = ["--database", self.settings.database, "--blobs", self.settings.blobs]
        words = ["hub", "serve", *places, "--port", str(self.port), "--workers", str(self.workers)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge_app.cli", *words, *self.more],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(self.port, self.process)

    def kill(self) -> None:
        """All its processes, without a word."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """As an administrator would."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            finally:
                self.kill()


@contextmanager
def served(
    settings: HubSettings, workers: int = 2, more: tuple[str, ...] = ()
) -> Iterator[ServedHub]:
    """A hub behind gunicorn while the block runs."""
    server = ServedHub(settings, free_port(), workers, more)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def served_hub(tmp_path: Path) -> Iterator[ServedHub]:
    """A hub on SQLite and a folder, served for real by two processes."""
    with served(settings_in(tmp_path)) as server:
        yield server


@pytest.fixture
def served_big_hub(tmp_path: Path, postgres: Postgres, s3_server: S3) -> Iterator[ServedHub]:
    """A hub on PostgreSQL and S3, served for real by two processes."""
    settings = HubSettings(postgres.new_database(), s3_server.new_bucket(), spare_bytes=0)
    with served(settings) as server:
        yield server
