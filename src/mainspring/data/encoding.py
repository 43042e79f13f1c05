"""From bytes to text: which encoding a file is in, as far as its bytes can tell."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from mainspring.core.errors import InputError, suggestion

_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the other's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMON = (
    "utf-8",
    "utf-16",
    "cp1252",
    "latin-1",
    "cp1250",
    "cp1251",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_kr",
    "ascii",
)
_ELSEWHERE = ("gb18030", "big5", "shift_jis", "euc_kr", "cp1251")
"""Encodings offered, never chosen, where bytes do not look like western text: they fit by accident too often."""
_LONG_RUNS = 0.3
_LOOKED_AT = 1 << 20


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text as UTF-8 bytes without a byte order mark, and the encoding it was in."""

    utf8: bytes
    encoding: str


def decode(raw: bytes, *, encoding: str | None = None, name: str = "the input") -> Decoded:
    """Turn *raw* into UTF-8.

    Without *encoding*: a byte order mark decides; then NUL bytes at every other place (UTF-16); then valid UTF-8; then
    Windows-1252 (Latin-1 where one of its five unused bytes occurs) if the accented letters stand alone or in pairs, as
    in western languages. Anything else is an InputError that offers encodings under which the
    bytes can be read.
    """
    if encoding is not None:
        return _as_told(raw, encoding, name)
    for mark, codec in _MARKS:
        if raw.startswith(mark):
            return _strict(raw[len(mark) :], codec, name)
    if sixteen := _sixteen(raw[:4096]):
        return _strict(raw, sixteen, name)
    if b"\0" in raw[:_LOOKED_AT]:
        raise InputError(
            f"{name} is not text: it contains zero bytes. Mainspring reads CSV (also gzipped), Parquet and JSON lines."
        )
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _western(raw, error, name)
    return Decoded(raw, "utf-8")


def _as_told(raw: bytes, encoding: str, name: str) -> Decoded:
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise InputError(f"No encoding named {encoding!r}. {suggestion(encoding, _COMMON, kind='encoding')}") from None
    if codec in ("utf-8", "utf-8-sig"):
        return _strict(raw.removeprefix(codecs.BOM_UTF8), "utf-8", name)
    return _strict(raw, codec, name)


def _strict(raw: bytes, codec: str, name: str) -> Decoded:
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name} is not {codec}: byte {error.start} (line {line}) cannot be decoded ({error.reason}). "
            "Leave the encoding out to have it detected, or name another one."
        ) from None
    return Decoded(raw if codec == "utf-8" else text.removeprefix("\ufeff").encode(), codec)


def _sixteen(head: bytes) -> str | None:
    """UTF-16 without a mark: western text has a zero byte at every other place."""
    if len(head) < 4:
        return None
    even, odd = head[0::2].count(0) / len(head[0::2]), head[1::2].count(0) / len(head[1::2])
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.05 else None


def _western(raw: bytes, error: UnicodeDecodeError, name: str) -> Decoded:
    """Windows-1252 or Latin-1 if the text looks western, else an error with what else would fit."""
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", raw[error.start : error.start + _LOOKED_AT])]
    if sum(run for run in runs if run > 3) <= _LONG_RUNS * sum(runs):
        try:
            return Decoded(raw.decode("cp1252").encode(), "cp1252")
        except UnicodeDecodeError:
            return Decoded(raw.decode("latin-1").encode(), "latin-1")
    fitting = [codec for codec in _ELSEWHERE if _fits(raw, codec)]
    offer = (
        f"The bytes can be read as {' or '.join(fitting)}: pass encoding=… to choose."
        if fitting
        else "Name it with encoding=…."
    )
    line = raw.count(b"\n", 0, error.start) + 1
    raise InputError(
        f"The encoding of {name} is unclear: byte {error.start} (line {line}) is not UTF-8, and the text does not look "
        f"western. {offer}"
    )


def _fits(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
