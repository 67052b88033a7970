"""Where the bytes of photos lie: a folder, or whatever fsspec reaches (S3).  Whole objects only.

Names are made by the hub, never by who sends; they are checked all the same.  What is `put` is
durable when it returns and never half there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from field_data.errors import HubError, KeeperError, NetworkError
from field_data.files import free_bytes, make_folder, replacing, write_atomic

_NAME = re.compile(r"[a-z0-9]+(/[a-z0-9][a-z0-9.-]*)*")
# S3 that is down is told so within seconds; the node comes back.
_S3 = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2}}


class Blobs:
    """Named bytes.  ``url`` is a folder, or ``s3://bucket/prefix?endpoint_url=http://…``.

    All but the constructor raise ``NetworkError("blobs_down")`` when the other side does not
    answer, and `put` raises ``HubError("full")``.
    """

    def __init__(self, url: str, spare_bytes: int = 0) -> None:
        parts = urlsplit(url)
        self._spare = spare_bytes
        self._folder: Path | None = None
        self._open: Any = None
        if parts.scheme in ("", "file"):
            self._folder = Path(parts.path).absolute()
            make_folder(self._folder)
            return
        self._url = urlunsplit(parts._replace(query=""))
        self._options = dict(parse_qsl(parts.query))
        if parts.scheme == "s3":
            self._options["config_kwargs"] = _S3  # type: ignore[assignment]

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data`` under ``name``; what was there before is replaced."""
        _check(name)
        with self._named():
            if self._folder is None:
                self._fs.pipe_file(self._path(name), data)
                return
            self._room(len(data))
            make_folder((self._folder / name).parent)
            write_atomic(self._folder / name, data)

    def put_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        """As `put`, without holding all of it in memory.

        What ``pieces`` raises comes through, and what was there under that name stays.
        """
        _check(name)
        with self._named():
            if self._folder is None:
                _write_object(self._fs.open(self._path(name), "wb", autocommit=False), pieces)
                return
            make_folder((self._folder / name).parent)
            with replacing(self._folder / name) as file:
                _write(file, pieces)

    def get(self, name: str) -> bytes | None:
        """The bytes, None when there are none of that name."""
        _check(name)
        with self._named():
            try:
                if self._folder is not None:
                    return (self._folder / name).read_bytes()
                data: bytes = self._fs.cat_file(self._path(name))
                return data
            except FileNotFoundError:
                return None

    @contextmanager
    def reading(self, name: str) -> Iterator[Any]:
        """An open file to read and seek in; raises `FileNotFoundError`."""
        _check(name)
        with self._named():
            if self._folder is not None:
                with (self._folder / name).open("rb") as file:
                    yield file
            else:
                with self._fs.open(self._path(name), "rb") as file:
                    yield file

    def remove(self, name: str) -> None:
        """No bytes of that name are left; harmless where none were."""
        _check(name)
        with self._named():
            if self._folder is not None:
                (self._folder / name).unlink(missing_ok=True)
                return
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def names(self, prefix: str = "") -> list[str]:
        """All names below a prefix, sorted."""
        with self._named():
            if self._folder is not None:
                top = self._folder / prefix
                found = (p.relative_to(self._folder) for p in top.rglob("*") if p.is_file())
                return sorted(str(path) for path in found if not path.name.startswith("."))
            self._fs.invalidate_cache()
            root = self._path("").rstrip("/")
            try:
                paths = self._fs.find(self._path(prefix).rstrip("/"))
            except FileNotFoundError:
                return []
            inside = (path for path in paths if path.startswith(root + "/"))
            return sorted(path.removeprefix(root + "/") for path in inside)

    def close(self) -> None:
        """Let go of connections; the next call makes new ones."""
        if self._open is not None:
            close_file_system(self._open[0])
            self._open = None

    @property
    def _fs(self) -> Any:
        """Opened late, so that each process of a hub has its own."""
        if self._open is None:
            self._open = _file_system(self._url, self._options)
        return self._open[0]

    def _path(self, name: str) -> str:
        _ = self._fs
        return f"{self._open[1]}/{name}"

    def _room(self, length: int) -> None:
        if self._folder is not None and free_bytes(self._folder) < length + self._spare:
            raise HubError("full", "the disk of the photos is full")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except KeeperError as error:
            if error.code != "disk_full":
                raise
            raise HubError("full", "the disk of the photos is full") from error
        except (FileNotFoundError, HubError, NetworkError):
            raise
        except Exception as error:
            if self._folder is not None or not _of_the_other_side(error):
                raise
            raise NetworkError("blobs_down", f"photos: {type(error).__name__}: {error}") from error


def _write(file: Any, pieces: Iterable[bytes]) -> None:
    """Write the pieces one after the other."""
    for piece in pieces:
        file.write(piece)


def _write_object(file: Any, pieces: Iterable[bytes]) -> None:
    """The object is there when all of it was written; closing alone would keep half of it, too."""
    try:
        with file:
            _write(file, pieces)
    except BaseException:
        file.discard()
        raise
    file.commit()


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not the name of a blob: {name!r}")


def _file_system(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs

        system, root = url_to_fs(url, skip_instance_cache=True, **options)
    except (ImportError, ValueError) as error:
        raise KeeperError("hub_blobs", f"no such place for photos: {error}") from error
    system.retries = 2  # s3fs: else it tries for minutes while the node waits
    return system, root.rstrip("/")


def close_file_system(system: Any) -> None:
    """End the connections of an `fsspec` file system that has some (s3fs leaves them to chance)."""
    connected = getattr(system, "_s3", None)
    if connected is not None:
        system.close_session(system.loop, connected)


def _of_the_other_side(error: Exception) -> bool:
    """Whether the store of objects failed, and not we."""
    module = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or module in ("botocore", "aiobotocore", "aiohttp")
