"""The power fails at a step of our own choice: an operation on files, before it is done."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest


class Cut(BaseException):
    """The power is gone: nobody catches this, and nothing is tidied up."""


class Power:
    """Lets some operations on files through; then everything stops."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
        self.left, self.off = left, False
        self._patch = monkeypatch
        for holder, name in (
            (os, "fsync"),
            (os, "replace"),
            (pathlib.Path, "replace"),
            (pathlib.Path, "rename"),
            (pathlib.Path, "mkdir"),
            (pathlib.Path, "unlink"),
            (pathlib.Path, "symlink_to"),
            (shutil, "rmtree"),
        ):
            monkeypatch.setattr(holder, name, partial(self._step, getattr(holder, name)))
            if isinstance(holder, type):
                real = getattr(holder, name)
                monkeypatch.setattr(holder, name, _method(real))

    def _step(self, real: Callable[..., Any], *given: Any, **more: Any) -> Any:
        if self.off:
            raise Cut
        self.left -= 1
        if self.left < 0:
            self.off = True
            raise Cut
        return real(*given, **more)


def _method(step: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Path, *given: Any, **more: Any) -> Any:
        return step(self, *given, **more)

    return method
