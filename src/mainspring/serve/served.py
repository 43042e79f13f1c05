"""One loaded model version: what it takes, how it scores, and how its answer is written."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.core.errors import MainspringError, StoreError, quote
from mainspring.serve.compiled import Compiled
from mainspring.serve.field import Field
from mainspring.serve.reply import by_row

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import numpy as np

    from mainspring.contract import Contract
    from mainspring.core.task import Task
    from mainspring.package.bundle import Bundle
    from mainspring.package.serving import Serving
    from mainspring.serve.log.schema import Schema

    Array = np.ndarray[Any, Any]

SLOW = 1e-3
"""A model that takes so many seconds for a row is not scored on the event loop."""
TRIED = 16
"""So many rows at once are timed against one."""


class Unfit(MainspringError):
    """A version that must not answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model said to n rows: labels or numbers, and for a classification the probabilities, each row a list."""

    values: list[Any]
    scores: list[list[float]] | None


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that a model takes for one row, and for each of several."""

    one: float
    each: float

    @property
    def is_slow(self) -> bool:
        """Whether one row would keep everybody waiting."""
        return self.one > SLOW

    @property
    def gains_by_many(self) -> bool:
        """Whether rows are cheaper together."""
        return self.each < self.one


@dataclass(frozen=True, slots=True)
class Aside:
    """Columns that are missing to one version while they are set aside, as they are where they were not sent.

    ``flag`` names them in answers and in the log: ``aside:spent,aside:since``.
    """

    flag: str
    places: list[int]
    missing: list[float]

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return [each.removeprefix("aside:") for each in self.flag.split(",")]

    def blank(self, matrix: Array) -> None:
        """Let them be missing in the rows of *matrix*."""
        matrix[:, self.places] = self.missing

    def flags(self, before: list[str | None] | None, rows: int) -> list[str | None]:
        """The flags of so many *rows*, those that they had before first."""
        return [f"{flag},{self.flag}" if flag else self.flag for flag in before or [None] * rows]


class Served:
    """A version that is ready to answer. Nothing in it changes; several threads may use it."""

    def __init__(self, bundle: Bundle, *, name: str, version: int) -> None:
        """Load the model of *bundle*, which runs no code from it. Raises StoreError or Unfit where it cannot serve."""
        from mainspring.contract import Contract
        from mainspring.package.serving import serving

        self.name = name
        self.version = version
        self.digest = bundle.digest
        self.kind = bundle.manifest.kind
        self.form = bundle.manifest.form
        self.created = bundle.manifest.created
        self.contract: Contract = Contract.from_dict(bundle.json("contract.json"), source=f"{name}/{version}")
        self.serving: Serving = serving(bundle)
        self.model = self.serving.model
        self.classes = self.model.classes
        self.task: Task = self.model.task
        self.fields = tuple(self._fields())
        self.compiled = Compiled(self.fields, entity=self.contract.project.entity)
        self.width = self.compiled.width
        self.pace = Pace(0.0, 0.0)
        self._labels = [msgspec.json.encode(label).decode() for label in self.classes or ()]
        start = f'{{"id":"%s","model":{_escaped(_json(name))},"version":{version},"prediction":'
        self._bare = f"{start}%s}}"
        self._one = self._templates(start)
        threshold = self.model.threshold
        self._threshold = 0.5 if threshold is None else threshold

    @classmethod
    def load(cls, folder: Path, *, name: str, version: int) -> Served:
        """The version whose bundle lies in *folder*, tried and warm. Raises Unfit with the reason where it may not."""
        from mainspring import package

        try:
            served = cls(package.read(folder), name=name, version=version)
            served.warm()
        except Unfit:
            raise
        except (StoreError, MainspringError) as error:
            raise Unfit(f"{name}/{version} cannot be served: {error}") from error
        except Exception as error:  # a boundary: libraries raise what they like over a graph that they dislike
            said = (str(error).strip().splitlines() or [""])[0]
            raise Unfit(f"{name}/{version} cannot be loaded: {type(error).__name__}: {said[:300]}") from error
        return served

    def warm(self) -> None:
        """Replay the held-out rows as requests are answered, and take the time. Raises Unfit where they differ."""
        import numpy as np

        parity = self.serving.replay()
        if parity is not None and not parity.agrees:
            raise Unfit(
                f"{self.name}/{self.version} does not predict as at training: its {parity.rows} example rows differ by "
                f"up to {parity.largest_difference:.3g}, allowed is {parity.tolerance:.3g}."
            )
        buffer = np.empty((1, self.width), np.float32)
        view = buffer.data.cast("B")
        for row in self.serving.rows:
            try:
                typed = self.compiled.row(msgspec.json.encode(row))
            except msgspec.ValidationError:
                continue  # an example that the contract would refuse, such as one with its personal columns masked
            self.compiled.into(typed, view, 0)
            if not np.array_equal(buffer, self.model.encoder.encode_row(row), equal_nan=True):
                raise Unfit(f"{self.name}/{self.version} is encoded wrongly: {quote(row)}. Please report this.")
        self.pace = self._paced(np.nan_to_num(buffer))

    def matrix(self, rows: list[Any]) -> Array:
        """Typed rows as the model's matrix, shape (rows, width). Raises Broken where one cannot be read after all."""
        import numpy as np

        out = np.empty((len(rows), self.width), np.float32)
        if not out.size:
            return out
        view, into, step = out.data.cast("B"), self.compiled.into, 4 * self.width
        offset = 0
        for row in rows:
            into(row, view, offset)
            offset += step
        return out

    def score(self, matrix: Array) -> Scored:
        """What the model says to an encoded *matrix*; the numbers are those of `Model.read`."""
        answer = self.serving.scorer(matrix)
        if self.classes is None:
            return Scored(self.model.link.back(answer).tolist(), None)
        scores: list[list[float]] = answer.tolist()
        classes = self.classes
        if len(classes) == 2:
            threshold, (no, yes) = self._threshold, classes
            return Scored([yes if row[1] >= threshold else no for row in scores], scores)
        return Scored([classes[row.index(max(row))] for row in scores], scores)

    def score_each(self, matrix: Array) -> Scored:
        """As `score`, in the way that is quicker for a few rows."""
        if len(matrix) == 1 or self.pace.gains_by_many:
            return self.score(matrix)
        parts = [self.score(matrix[place : place + 1]) for place in range(len(matrix))]
        values = [part.values[0] for part in parts]
        return Scored(values, None if self.classes is None else [part.scores[0] for part in parts if part.scores])

    def answer(self, identity: str, value: Any, scores: list[float] | None, flags: str | None) -> str:
        """The JSON object that answers one row."""
        classes = self.classes
        if classes is not None and scores is not None and math.isfinite(scores[0]):
            body = self._one[classes.index(value)] % (identity, *scores)
        elif isinstance(value, float) and math.isfinite(value):
            body = self._bare % (identity, repr(value))
        else:
            body = self._bare % (identity, _json(value))
        if flags is None:
            return body
        return f'{body[:-1]},"flags":{_json(flags.split(","))}}}'

    def answer_many(self, identity: str, scored: Scored, flags: list[str | None] | None) -> bytes:
        """The JSON object that answers several rows, column by column; row n has the id ``<id>:<n>``."""
        body: dict[str, Any] = {
            "id": identity,
            "model": self.name,
            "version": self.version,
            "rows": len(scored.values),
            "predictions": scored.values,
        }
        if scored.scores is not None:
            columns = zip(*scored.scores, strict=True) if scored.scores else [()] * len(self.classes or ())
            names = [str(label) if isinstance(label, str) else _json(label) for label in self.classes or ()]
            body["probabilities"] = dict(zip(names, columns, strict=True))
        if flags is not None:
            body["flags"] = by_row(flags)
        return msgspec.json.encode(body)

    def aside(self, columns: Collection[str]) -> Aside | None:
        """What is missing while these *columns* are set aside; None where the model takes none of them."""
        names: list[str] = []
        places: list[int] = []
        missing: list[float] = []
        place = 0
        for field in self.fields:
            absent = field.numbers(None)
            if absent and field.name in columns:
                names.append(field.name)
                places += range(place, place + len(absent))
                missing += absent
            place += len(absent)
        return Aside(",".join(f"aside:{name}" for name in names), places, missing) if names else None

    def fallback(self, said: str | float) -> Any:
        """What a declared fallback is as a prediction of this version: the class that is written so, or the number."""
        for label in self.classes or ():
            if said in (label, _json(label), str(label)):
                return label
        return float(said) if self.classes is None else said

    @cached_property
    def schema(self) -> Schema:
        """What the prediction log says of this version."""
        from mainspring.serve.log.schema import schema_of

        names = [field.name for field in self.fields]
        return schema_of(self.contract, version=self.version, features=names, classes=self.classes)

    def _fields(self) -> list[Field]:
        codecs = {codec.column: codec for codec in self.model.encoder.codecs}
        declared, typical = self.contract.columns, self.serving.typical
        names = list(dict.fromkeys([*self.model.features, *codecs]))
        return [Field(name, declared.get(name), codecs.get(name), typical.get(name)) for name in names]

    def _templates(self, start: str) -> list[str]:
        """For each class the answer that predicts it, with its id and the probabilities still to be put in."""
        names = [_json(label if isinstance(label, str) else _json(label)) for label in self.classes or ()]
        chances = ",".join(f"{_escaped(name)}:%r" for name in names)
        return [f'{start}{_escaped(label)},"probabilities":{{{chances}}}}}' for label in self._labels]

    def _paced(self, row: Array) -> Pace:
        import numpy as np

        many = np.ascontiguousarray(np.repeat(row, TRIED, 0))
        one = _seconds(lambda: self.score(row))
        return Pace(one, _seconds(lambda: self.score(many)) / TRIED)


def _seconds(call: Any) -> float:
    """What the quickest of a few calls takes."""
    best = math.inf
    for _ in range(4):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
