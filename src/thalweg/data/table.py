"""Table: what stands in a file, before anyone decides what to learn from it."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thalweg.numerics.validation import list_some
from thalweg.records import InputError, digest_of

if TYPE_CHECKING:
    import pandas

ARRAYS = "arrays"
"""Name of data that were handed over as X and y."""

DELIMITERS = ",;\t|"


@dataclass(frozen=True, eq=False)
class Table:
    """A pandas frame with the name and the SHA-256 of what it was read from."""

    frame: pandas.DataFrame
    source: str
    digest: str


def read_table(source: object, encoding: str = "utf-8") -> Table:
    """Read a CSV or Parquet file, a DataFrame or a two-dimensional array.

    Parameters
    ----------
    source
        Path, DataFrame, or array `(n, columns)`, whose columns are named x1, x2, ...
    encoding
        Of a CSV file.

    Returns
    -------
    Table
        With at least one row.

    Raises
    ------
    InputError
        If the source cannot be read as a table with rows; the message says where and how to mend it.
    """
    import pandas

    if isinstance(source, pandas.DataFrame):
        table = Table(source.reset_index(drop=True), "DataFrame", _frame_digest(source))
    elif isinstance(source, np.ndarray):
        if source.ndim != 2:
            raise InputError("array_dimension", name="X", found=source.ndim, wanted=2)
        names = [f"x{j + 1}" for j in range(source.shape[1])]
        table = Table(pandas.DataFrame(source, columns=names), "array", digest_of({"X": source}))
    elif isinstance(source, (str, Path)):
        table = _read_file(Path(source), encoding)
    else:
        raise InputError("source_type", kind=type(source).__name__)
    _refuse_repeated([str(name) for name in table.frame.columns], table.source)
    if len(table.frame) == 0:
        raise InputError("table_without_rows", source=table.source)
    return table


def _refuse_repeated(names: list[str], source: str) -> None:
    """Refuse a header in which a name stands twice; pandas would rename the second silently."""
    if twice := [name for name in dict.fromkeys(names) if name and names.count(name) > 1]:
        raise InputError("columns_twice", source=source, columns=list_some(twice))


def _frame_digest(frame: pandas.DataFrame) -> str:
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def file_bytes(path: Path, endings: tuple[str, ...]) -> bytes:
    """Return what stands in a file.

    Parameters
    ----------
    path
        The file.
    endings
        Of the files that a message about a folder names.

    Returns
    -------
    bytes
        Not blank.

    Raises
    ------
    InputError
        If there is no such file, or it is a folder, unreadable or blank.
    """
    if not path.exists():
        near = difflib.get_close_matches(path.name, _siblings(path), n=3, cutoff=0.5)
        raise InputError("file_missing", path=path, near=list_some(near) or "-")
    if path.is_dir():
        files = sorted(p.name for p in path.iterdir() if p.suffix.lower() in endings)
        raise InputError("file_is_directory", path=path, files=list_some(files) or "-")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError("file_unreadable", path=path, reason=error.strerror or type(error).__name__) from None
    if not raw.strip():
        raise InputError("file_empty", path=path)
    return raw


def _read_file(path: Path, encoding: str) -> Table:
    raw = file_bytes(path, (".csv", ".parquet"))
    digest = hashlib.sha256(raw).hexdigest()
    reader = _parse_parquet if path.suffix.lower() == ".parquet" or raw[:4] == b"PAR1" else _parse_csv
    return Table(reader(path, raw, encoding), path.name, digest)


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.parent.iterdir() if p.is_file()]
    except OSError:
        return []


def _parse_parquet(path: Path, raw: bytes, encoding: str) -> pandas.DataFrame:
    del encoding  # Parquet carries its own
    import pandas

    try:
        return pandas.read_parquet(io.BytesIO(raw))
    except Exception as error:  # pyarrow has many exceptions for a broken file; all mean the same here
        raise InputError("file_not_parquet", path=path, reason=str(error).split("\n")[0]) from None


def _parse_csv(path: Path, raw: bytes, encoding: str) -> pandas.DataFrame:
    import pandas

    content = _decode(path, raw, encoding)
    delimiter = _delimiter(content)
    _refuse_repeated(next(csv.reader(io.StringIO(content), delimiter=delimiter)), path.name)
    try:
        return pandas.read_csv(io.StringIO(content), sep=delimiter, low_memory=False, skipinitialspace=True)
    except pandas.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found is None:
            raise InputError("file_not_csv", path=path, reason=str(error)) from None
        wanted, line, saw = found.groups()
        raise InputError("file_ragged", path=path, line=line, wanted=wanted, found=saw) from None
    except (pandas.errors.EmptyDataError, ValueError) as error:
        raise InputError("file_not_csv", path=path, reason=str(error)) from None


def _decode(path: Path, raw: bytes, encoding: str) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding == "utf-8":
        encoding = "utf-16"
    if b"\0" in raw[:65536] and not encoding.lower().startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
        raise InputError("file_binary", path=path, position=raw.index(b"\0"))
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise InputError("encoding_unknown", encoding=encoding) from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError("file_encoding", path=path, encoding=encoding, line=line, position=error.start) from None


def _delimiter(content: str) -> str:
    """Return the delimiter of the header line; quoted delimiters do not count."""
    header = content.split("\n", 1)[0]
    counts = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: counts[mark])
