"""Keeps FFmpeg out of a process. aiortc imports it for codecs, and the relay neither encodes nor decodes.

Each relay process is 20 MiB smaller for it, and strangers' packets never share a process with a decoder.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

_PACKAGE: Final = "av"


class _Hollow(ModuleType):
    """A module in which every name is a class without contents: enough for annotations and base classes."""

    __path__ = []  # noqa: RUF012 (as ModuleType has it): a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {})
        setattr(self, name, made)
        return made


class _Finder:
    """Finds a hollow module for every part of the package (see importlib.abc.MetaPathFinder and Loader)."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] != _PACKAGE:
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]  # a loader by what it can do

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Hollow(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def leave_codecs_out() -> None:
    """Before aiortc is imported. Where PyAV is there already, it stays."""
    if _PACKAGE not in sys.modules:
        sys.meta_path.insert(0, _Finder())
