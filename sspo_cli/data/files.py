"""Files of a user's problems: which there are at a path, and the rows of each by what it holds."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.paths import path_problem
from sspo_cli.data.arrow_rows import arrow_rows, parquet_rows, saved_splits
from sspo_cli.data.json_rows import json_rows
from sspo_cli.data.rows import Rows, Unreadable
from sspo_cli.data.table_rows import table_rows

TABLES = (".csv", ".tsv", ".tab")
SUFFIXES = (".jsonl", ".ndjson", ".json", *TABLES, ".parquet")
SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
# What a file begins with that is something else, in words.
OTHERS = {
    b"%PDF-": "a PDF document",
    b"SQLite format 3\0": "an SQLite database",
    b"BZh": "packed by bzip2: unpack it",
    b"\xfd7zXZ\0": "packed by xz: unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"ARROW1": "an Arrow file: write it as parquet",
    b"\x80\x02": "a pickle, which is never read",
    b"\x80\x03": "a pickle, which is never read",
    b"\x80\x04": "a pickle, which is never read",
    b"\x80\x05": "a pickle, which is never read",
    b"version https://git-lfs": "a pointer of Git LFS, whose content `git lfs pull` brings",
    b"<!DOCTYPE html": "a page of HTML",
    b"<html": "a page of HTML",
}
FORMS = "JSON lines, a JSON array, csv, tsv or parquet"
LONGEST_BEGIN = max(map(len, OTHERS))
TO_LEARN = ("train", "training")
HELD_OUT = (("test", "testing"), ("validation", "valid", "val", "dev", "eval"))
OF_DATASETS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")


@dataclass
class Found:
    """What a path holds. held_out: of a folder that says so by the names of its files or splits."""

    train: Rows = field(default_factory=Rows)
    held_out: Rows | None = None


def read_path(key: str, path: str) -> Found:
    """Every row at `path`, which the configuration has as `key`.

    Raises:
        ConfigError: for a path that is not there or cannot be read, a folder without such files.
    """
    if problem := path_problem(key, path):
        raise ConfigError([problem])
    place = Path(path)
    if not place.is_dir():
        return Found(read_file(path, place))
    if any((place / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return read_saved(key, path)
    return read_folder(key, path)


def read_saved(key: str, path: str) -> Found:
    """A folder of `save_to_disk`."""
    try:
        splits = saved_splits(Path(path))
        rows = {name: arrow_rows(f"{path}/{name}", table, first=1) for name, table in splits.items()}
    except Unreadable as error:
        raise ConfigError([f"{key}={path}: {error}"]) from error
    return by_part(key, path, rows)


def read_folder(key: str, path: str) -> Found:
    """The files of a folder and of the folders in it."""
    home = Path(path)
    files = sorted(file for file in home.rglob("*") if is_data(file, home))
    sheets = sorted(file for file in home.rglob("*") if file.suffix.lower() in SHEETS)
    if not files and sheets:
        raise ConfigError([f"{sheets[0]}: a spreadsheet: save it as csv (UTF-8)"])
    if not files:
        raise ConfigError([f"{key}={path}: the folder has no file of {', '.join(SUFFIXES)} (or with .gz behind it)"])
    names = {file: file.relative_to(home).as_posix() for file in files}
    read: dict[str, Rows] = {}
    faults: list[str] = []
    for file, name in names.items():
        try:
            read[name] = read_file(f"{path.rstrip('/')}/{name}", file)
        except ConfigError as error:
            faults += error.problems
    if faults:
        raise ConfigError(faults)
    return by_part(key, path, read)


def is_data(file: Path, home: Path) -> bool:
    inside = file.relative_to(home)
    return (
        file.is_file()
        and not any(part.startswith((".", "_")) for part in inside.parts)
        and file.name not in OF_DATASETS
        and Path(file.name.lower().removesuffix(".gz")).suffix in SUFFIXES
    )


def by_part(key: str, path: str, read: dict[str, Rows]) -> Found:
    """Told apart by name: what is named train is learned from, what is named test, or else validation, is held out.

    Without such names everything is learned from.
    """
    held_out = next((names for names in HELD_OUT if any(is_named(name, names) for name in read)), ())
    taken = {name: rows for name, rows in read.items() if held_out and is_named(name, held_out)}
    wanted = {name: rows for name, rows in read.items() if is_named(name, TO_LEARN)}
    if not wanted and not taken:
        wanted = {name: rows for name, rows in read.items() if not any(is_named(name, names) for names in HELD_OUT)}
    found = Found(held_out=Rows() if taken else None)
    for rows in wanted.values():
        found.train.add(rows)
    for rows in taken.values():
        assert found.held_out is not None
        found.held_out.add(rows)
    if unread := [name for name in read if name not in wanted and name not in taken]:
        beside = ", ".join([*wanted, *taken])
        found.train.notes.append(f"{key}={path}: not read: {', '.join(unread)}; read: {beside}")
    return found


def is_named(name: str, words: tuple[str, ...]) -> bool:
    return any(word in words for word in re.split(r"[^a-z]+", name.lower()))


def read_file(name: str, file: Path) -> Rows:
    """The rows of one file, by its content, and by its name where the content does not tell.

    Raises:
        ConfigError: in one line.
    """
    try:
        return rows_of(name, file)
    except Unreadable as error:
        raise ConfigError([f"{name}: {error}"]) from error
    except OSError as error:
        raise ConfigError([f"{name}: cannot be read: {error.strerror or error}"]) from error


def rows_of(name: str, file: Path) -> Rows:
    suffix = Path(file.name.lower().removesuffix(".gz")).suffix
    with file.open("rb") as opened:
        begin = opened.read(LONGEST_BEGIN)
    if suffix in SHEETS or begin.startswith(b"\xd0\xcf\x11\xe0") or is_sheet(file, begin):
        raise Unreadable("a spreadsheet: save it as csv (UTF-8)")
    if begin.startswith(b"PK\x03\x04"):
        raise Unreadable("a zip archive: unpack it")
    if other := next((what for mark, what in OTHERS.items() if begin.startswith(mark)), None):
        raise Unreadable(f"{other}; must be {FORMS}")
    if begin.startswith(b"PAR1"):
        return parquet_rows(name, file)
    if suffix == ".parquet":
        raise Unreadable("not a parquet file, though its name ends so")
    content = file.read_bytes()
    if begin.startswith(b"\x1f\x8b"):
        content = unpacked(content)
    text = decoded(content)
    if suffix == ".txt" and not text.lstrip().startswith(("{", "[")):
        raise Unreadable("a text: a table is read where its name ends with .csv or .tsv, JSON lines with .jsonl")
    return table_rows(name, text) if suffix in TABLES else json_rows(name, text)


def is_sheet(file: Path, begin: bytes) -> bool:
    """Whether a zip archive is one of Excel, OpenDocument or Numbers."""
    if not begin.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(
                name.startswith(("xl/", "Index/Document.iwa")) or name == "mimetype" for name in archive.namelist()
            )
    except zipfile.BadZipFile:
        return False


def unpacked(content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as opened:
            return opened.read()
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"not a gzip file that can be read: {error}") from error


def decoded(content: bytes) -> str:
    """UTF-8, or UTF-16 where its byte-order mark says so."""
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        told = "binary" if b"\0" in content else "not UTF-8 text"
        way = f"must be {FORMS}" if b"\0" in content else "save it as UTF-8"
        raise Unreadable(f"{told}: {error.reason} at byte {error.start}; {way}") from error
    if "\0" in text:
        raise Unreadable(f"binary: a zero byte at character {text.index(chr(0))}; must be {FORMS} in UTF-8")
    return text
