"""Files in a zip, read into memory one at a time: names are never paths, sizes never believed."""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO

from field_data.boundary_files.found import too_large
from field_data.errors import PersonError

MAX_MEMBERS = 200
MAX_UNFOLDED = 40_000_000


class Archive:
    """The members of a zip by name; all that is read of it together is limited.

    Raises:
        PersonError: ``bad_zip``.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise _bad(error) from error
        self._left = MAX_UNFOLDED
        if len(self._zip.infolist()) > MAX_MEMBERS:
            raise PersonError("bad_zip", f"more than {MAX_MEMBERS} files in the zip")
        # macOS puts a shadow of each file beside it.
        names = (name for name in self._zip.namelist() if "__MACOSX" not in name)
        self._names = {name.lower(): name for name in names}

    def ending(self, suffix: str) -> list[str]:
        """Names in lower case that end so, as the zip lists them."""
        return [name for name in self._names if name.endswith(suffix)]

    def read(self, name: str) -> bytes | None:
        """A member by its name in lower case, None if there is none.

        Raises:
            PersonError: ``file_too_large``, ``bad_zip``.
        """
        if name not in self._names:
            return None
        try:
            with self._zip.open(self._names[name]) as member:
                data = member.read(self._left + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise _bad(error) from error
        except RuntimeError as error:  # a password, or a method of packing that is not here
            raise _bad(error) from error
        if len(data) > self._left:
            raise too_large(MAX_UNFOLDED)
        self._left -= len(data)
        return data


def _bad(error: Exception) -> PersonError:
    return PersonError("bad_zip", f"the zip cannot be read: {error!s:.120}")
