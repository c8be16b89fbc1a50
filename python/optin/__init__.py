"""optin for Python: runs declared pipelines of customers and their consent.

    import optin

    record = optin.run("pipelines/contoso.yaml")
    record.exports["newsletter_dach"].rows
    record.exports["newsletter_dach"].frame()     # a polars.DataFrame
    record["account"]                             # the run record, as in run.json

Faults are raised as `OptinError`, with all that is wrong in `faults`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Iterator, Optional, Union

from . import _optin

if TYPE_CHECKING:
    import polars

__version__ = _optin.__version__
__all__ = ["OptinError", "RunRecord", "Written", "check", "run", "why"]

Path = Union[str, "os.PathLike[str]"]


class OptinError(Exception):
    """A pipeline that could not be checked or run.

    `str()` is what the command prints; `faults` is a list of dicts with code, message, place and help.
    """

    def __init__(self, text: str, faults: list[dict[str, Any]]):
        super().__init__(text)
        self.faults = faults

    @property
    def codes(self) -> list[str]:
        """The codes of the faults, such as "unknown-column"."""
        return [fault["code"] for fault in self.faults]


def _asked(function: Any, *arguments: Any) -> Any:
    try:
        return json.loads(function(*arguments))
    except _optin.OptinError as error:
        text, faults = error.args
        raise OptinError(text, json.loads(faults)) from None


class Written:
    """A file that a run wrote."""

    def __init__(self, entry: dict[str, Any], directory: str):
        self.name: str = entry["name"]
        self.path: str = os.path.join(directory, entry["path"])
        self.rows: int = entry["rows"]
        self.bytes: int = entry["bytes"]
        self.sha256: str = entry["sha256"]

    def arrow(self) -> bytes:
        """Its rows as an Arrow IPC file. Parquet and IPC files keep their types; of others all is text."""
        try:
            return _optin.table(self.path)
        except _optin.OptinError as error:
            text, faults = error.args
            raise OptinError(text, json.loads(faults)) from None

    def frame(self) -> "polars.DataFrame":
        """Its rows as a frame of Polars, which must be installed (`pip install optin[frames]`)."""
        import polars

        return polars.read_ipc(io.BytesIO(self.arrow()))

    def __repr__(self) -> str:
        return f"<{self.name}: {self.rows} rows in {self.path}>"


class RunRecord(Mapping):
    """What a run read, decided and wrote: run.json as a mapping, with its files by their names."""

    def __init__(self, record: dict[str, Any]):
        self._record = record
        directory = record["directory"]
        #: Exports, by their segments; of several of one segment the last, and all in `record["exports"]`.
        self.exports = {entry["name"]: Written(entry, directory) for entry in record["exports"]}
        #: Internal tables: profiles, identity and so on.
        self.outputs = {entry["name"]: Written(entry, directory) for entry in record["outputs"]}

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What the user should look at."""
        return self._record["warnings"]

    def __getitem__(self, key: str) -> Any:
        return self._record[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._record)

    def __len__(self) -> int:
        return len(self._record)

    def __repr__(self) -> str:
        return f"<run of {self['pipeline']} as of {self['as_of']}: {len(self.exports)} exports>"


def run(
    path: Path,
    *,
    as_of: Optional[str] = None,
    replay: bool = False,
    out: Optional[Path] = None,
    limit_memory: Optional[int] = None,
    root: Optional[Path] = None,
    report: bool = True,
) -> RunRecord:
    """Runs a pipeline file: publishes all of its outputs and exports, or nothing.

    `as_of` is the date of the run, such as "2026-11-24"; with `replay` nothing is exported. `limit_memory` is in
    bytes. Other threads of Python go on meanwhile.

    Raises `OptinError`.
    """
    return RunRecord(_asked(_optin.run, path, as_of, replay, out, limit_memory, root, report))


def check(path: Path, *, root: Optional[Path] = None) -> list[dict[str, Any]]:
    """Checks a pipeline file against the headers of its sources, and gives the warnings. Reads no rows.

    Raises `OptinError` with every fault at once.
    """
    return _asked(_optin.check, path, root)


def why(
    path: Path,
    customer: str,
    *,
    segment: Optional[str] = None,
    as_of: Optional[str] = None,
    root: Optional[Path] = None,
) -> dict[str, Any]:
    """Why a customer is in a segment or not: what `optin why --json` prints.

    `customer` is a field and its value, such as "email=ann@example.com", or what else `--customer` takes. Raises `OptinError`.
    """
    return _asked(_optin.why, path, customer, segment, as_of, root)
