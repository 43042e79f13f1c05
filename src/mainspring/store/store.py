"""The store: bytes in, digest out; digest in, the same bytes out or an error that names what is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.digest import digest_bytes, digest_file
from mainspring.core.errors import NotFound, StoreError
from mainspring.store import large
from mainspring.store.bucket import LocalBucket, open_bucket
from mainspring.store.compression import VERBATIM, compress, decompress
from mainspring.store.index import ChunkIndex
from mainspring.store.lease import writing
from mainspring.store.manifest import MARK
from mainspring.store.manifest import decode as decode_manifest
from mainspring.store.pack import MEND, pack_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.store.bucket import Bucket
    from mainspring.store.sweep import Sweep

INLINE = 128 * 1024
"""Objects up to so many bytes are one file; larger ones are cut into chunks."""
INLINE_PART = 32 * 1024
"""Parts up to so many bytes lie in the envelope itself, so that a small value costs one write."""
DIGEST_LENGTH = 64

_DIGITS = frozenset("0123456789abcdef")
_ENVELOPE = b"mainspring parts 1\n"

Source = bytes | bytearray | memoryview | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the store knows about a value of several parts.

    Content digest, type, bytes before compression, plain facts.
    """

    digest: str
    type: str
    size: int
    meta: dict[str, Any] = field(default_factory=dict)


class _Part(msgspec.Struct, frozen=True, array_like=True):
    """A part of a value: its bytes where small, else their digest."""

    size: int
    data: bytes | None = None
    digest: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    """A value of named parts."""

    type: str
    parts: dict[str, _Part]
    meta: dict[str, Any]


class Parts(Mapping[str, bytes]):
    """The named parts of one stored value; each is read and verified when it is asked for."""

    def __init__(self, store: Store, stored: Stored, parts: dict[str, _Part]) -> None:
        """Made by `Store.get_parts`."""
        self._store = store
        self._parts = parts
        self.stored = stored

    @property
    def type(self) -> str:
        """The type that the value was stored as."""
        return self.stored.type

    def size(self, name: str) -> int:
        """The bytes of one part, without reading it."""
        return self._parts[name].size

    def __getitem__(self, name: str) -> bytes:
        """The bytes of one part. Raises KeyError for a name that is not there, StoreError for damage."""
        part = self._parts[name]
        return part.data if part.data is not None else self._store.get(part.digest or "")

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(self._parts)

    def __len__(self) -> int:
        """How many parts there are."""
        return len(self._parts)

    def __repr__(self) -> str:
        """Type, digest and names."""
        return f"Parts({self.stored.type!r}, {self.stored.digest[:12]}, {list(self._parts)})"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing in the store that is not what was written: its name in the store and what is wrong with it."""

    name: str
    reason: str


class Store:
    """Content-addressed bytes. Safe for several threads and processes at once; durable when a call returns."""

    def __init__(self, bucket: Bucket) -> None:
        """Use the *bucket*; see `open_store`."""
        self.bucket = bucket
        self.index = ChunkIndex(bucket)
        self.lock = bucket.root / "lock" if isinstance(bucket, LocalBucket) else None

    @property
    def url(self) -> str:
        """Where the bytes lie."""
        return self.bucket.url

    def __repr__(self) -> str:
        """The class and where the bytes lie."""
        return f"Store({self.url!r})"

    def put(self, data: bytes | bytearray | memoryview, *, whole: bool = False) -> str:
        """Store *data* and return its digest. Bytes that are there already and intact are not written again.

        *whole* keeps a Parquet file as one file, verbatim, which can be scanned where it lies (see `lies_at`); nothing
        is shared with other objects then. Raises StoreError where they cannot be written; nothing half written is then
        visible.
        """
        view = memoryview(data).cast("B")
        digest = digest_bytes(view)
        with self._writing():
            damaged = False
            try:
                self.bucket.touch(_object_name(digest))
                self.get(digest)
            except (FileNotFoundError, NotFound):
                pass
            except StoreError:
                damaged = True  # whoever makes it again mends it
            else:
                return digest
            stored: bytes | memoryview
            if whole and view[: len(VERBATIM)] == VERBATIM:
                stored = view
            elif len(view) <= INLINE:
                stored = compress(view)
            else:
                stored = large.write(self.bucket, self.index, view, reuse=not damaged)
            self.bucket.put(_object_name(digest), stored)
        return digest

    def put_file(self, path: Path) -> str:
        """Store the bytes of the file and return their digest. Large files are mapped, not read into memory."""
        import mmap

        if path.stat().st_size <= INLINE:
            return self.put(path.read_bytes())
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            view = memoryview(mapped)
            try:
                return self.put(view)
            finally:
                view.release()

    def get(self, digest: str) -> bytes:
        """The bytes of this digest, verified.

        Raises NotFound where there are none, StoreError where they are damaged.
        """
        name = _object_name(digest)
        try:
            stored = self.bucket.get(name)
        except FileNotFoundError:
            raise NotFound(f"The store {self.url} has no object {digest}.") from None
        try:
            if stored[:1] == MARK:
                return large.read(self.bucket, self.index, digest, stored)
            data = decompress(stored)
        except ValueError as error:
            raise StoreError(f"The object {name} is damaged: {error}. {MEND}") from None
        if digest_bytes(data) != digest:
            raise StoreError(f"The object {name} is damaged: its digest differs. {MEND}")
        return data

    def lies_at(self, digest: str) -> Path | None:
        """The file that holds exactly the bytes of this digest, verified now, for a reader that scans it in place.

        None where they lie otherwise: compressed, cut, or not on a local disk. Raises as `get` does.
        """
        if not isinstance(self.bucket, LocalBucket):
            return None
        path = self.bucket.root / _object_name(digest)
        try:
            with path.open("rb") as file:
                if file.read(len(VERBATIM)) != VERBATIM:
                    return None
            intact = digest_file(path) == digest
        except FileNotFoundError:
            raise NotFound(f"The store {self.url} has no object {digest}.") from None
        except OSError as error:
            raise StoreError(f"Cannot read {path}: {error.strerror}.") from error
        if not intact:
            raise StoreError(f"The object {_object_name(digest)} is damaged: its digest differs. {MEND}")
        return path

    def has(self, digest: str) -> bool:
        """Whether there is an object of this digest. Says nothing about its health; see `check`."""
        return self.bucket.has(_object_name(digest))

    def put_parts(
        self,
        parts: Mapping[str, Source],
        *,
        type: str,  # noqa: A002
        meta: Mapping[str, Any] | None = None,
    ) -> Stored:
        """Store a value of named parts (bytes, or paths of files). Its digest covers type, names, bytes and *meta*.

        *meta* holds plain JSON values that people and lists want to see without reading the parts.
        """
        kept: dict[str, _Part] = {}
        size = 0
        for name in sorted(parts):
            kept[name] = part = self._put_part(parts[name])
            size += part.size
        envelope = _Envelope(type, kept, dict(meta or {}))
        digest = self.put(_ENVELOPE + msgspec.msgpack.encode(envelope))
        return Stored(digest=digest, type=type, size=size, meta=envelope.meta)

    def _put_part(self, source: Source) -> _Part:
        if isinstance(source, Path):
            size = source.stat().st_size
            if size > INLINE_PART:
                return _Part(size, digest=self.put_file(source))
            source = source.read_bytes()
        if len(source) <= INLINE_PART:
            return _Part(len(source), data=bytes(source))
        return _Part(len(source), digest=self.put(source))

    def get_parts(self, digest: str) -> Parts:
        """The value of this digest.

        Raises NotFound where there is none, StoreError where it is not a value of parts.
        """
        envelope = _open_envelope(self.get(digest))
        if envelope is None:
            raise StoreError(f"The object {digest} holds bare bytes, not a value of named parts.")
        size = sum(part.size for part in envelope.parts.values())
        stored = Stored(digest=digest, type=envelope.type, size=size, meta=envelope.meta)
        return Parts(self, stored, envelope.parts)

    def digests(self) -> Iterator[str]:
        """Every object there is, in no order."""
        for entry in self.bucket.names("objects"):
            digest = entry.name.removeprefix("objects/").replace("/", "")
            if len(digest) == DIGEST_LENGTH:
                yield digest

    def delete(self, digest: str) -> None:
        """Remove the object; its chunks stay until the next `gc`. Nothing happens where it is missing."""
        self.bucket.delete(_object_name(digest))

    def check(self, digest: str) -> Damage | None:
        """Read the object and everything it refers to. The first damage or gap, or None where all is intact."""
        return next(self._damages(digest), None)

    def verify(self, *, seen: Callable[[int], None] | None = None) -> Iterator[Damage]:
        """Read every object and every pack and give what is damaged. *seen* is told how many objects were read."""
        from mainspring.store.verify import damages

        return damages(self, seen=seen)

    def gc(self, live: set[str], *, dry_run: bool = False, grace: float | None = None) -> Sweep:
        """Remove what no *live* digest refers to and nothing has touched for *grace* seconds (an hour).

        Waits for the writers of a local store. Returns names and bytes of what was removed, or with *dry_run* would be.
        """
        from mainspring.store.sweep import GRACE, sweep

        return sweep(self, live, dry_run=dry_run, grace=GRACE if grace is None else grace)

    def references(self, digest: str) -> tuple[str, ...]:
        """The objects that the value of this digest needs beside itself. Raises as `get` does."""
        envelope = _open_envelope(self.get(digest))
        return tuple(part.digest for part in envelope.parts.values() if part.digest) if envelope else ()

    def pieces(self, digest: str) -> tuple[str, ...]:
        """The digests of the chunks of one object; none for a small one. Raises as `get` does."""
        stored = self.bucket.get(_object_name(digest))
        return tuple(piece.digest.hex() for piece in decode_manifest(stored).pieces) if stored[:1] == MARK else ()

    def files(self, digest: str) -> tuple[Path, ...]:
        """The files that the value of this digest lies in, for whoever remembers their times; none off a local disk.

        Raises as `get` does.
        """
        if not isinstance(self.bucket, LocalBucket):
            return ()
        names: dict[str, None] = {}
        for one in (digest, *self.references(digest)):
            names[_object_name(one)] = None
            try:
                stored = self.bucket.get(_object_name(one))
            except FileNotFoundError:
                raise NotFound(f"The store {self.url} has no object {one}.") from None
            if stored[:1] == MARK:
                names |= dict.fromkeys(pack_name(pack) for pack in decode_manifest(stored).packs)
        return tuple(self.bucket.root / name for name in names)

    def _damages(self, digest: str) -> Iterator[Damage]:
        try:
            needed = self.references(digest)
        except (NotFound, StoreError) as error:
            yield Damage(_object_name(digest), str(error))
            return
        for part in needed:
            try:
                self.get(part)
            except (NotFound, StoreError) as error:
                yield Damage(_object_name(part), str(error))

    def _writing(self) -> Any:
        return writing(self.lock)


def open_store(url: str | Path, *, create: bool = True) -> Store:
    """Open the store at *url*: a folder, or an object store by its URL (``s3://bucket/path`` …).

    Raises StoreError where the folder cannot be made, or is not there and *create* is False.
    """
    return Store(open_bucket(url, create=create))


def _object_name(digest: str) -> str:
    if len(digest) != DIGEST_LENGTH or not set(digest) <= _DIGITS:  # a name never reaches outside the store
        raise NotFound(f"Expected a digest of {DIGEST_LENGTH} hexadecimal digits, got {digest!r}.")
    return f"objects/{digest[:2]}/{digest[2:]}"


def _open_envelope(data: bytes) -> _Envelope | None:
    """The envelope that *data* is, or None for bare bytes."""
    if not data.startswith(_ENVELOPE):
        return None
    try:
        return msgspec.msgpack.decode(memoryview(data)[len(_ENVELOPE) :], type=_Envelope)
    except msgspec.MsgspecError:
        return None
