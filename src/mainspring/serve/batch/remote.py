"""Scoring through an endpoint."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import InputError, NotFound, Refused, quote
from mainspring.data.written import Written
from mainspring.features.encoder import require
from mainspring.serve.batch.caller import Unreachable
from mainspring.serve.batch.judge import REJECTED
from mainspring.serve.batch.rows import body, infinite, sendable
from mainspring.serve.batch.scored import Scored, label_type
from mainspring.serve.log.record import row_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mainspring.serve.batch.caller import Caller
    from mainspring.serve.batch.scored import Scoring

REQUEST_ROWS = 1_000
CONCURRENCY = 8
FIRST_PATIENCE = 10.0
"""So many seconds the endpoint has for its first answer: a wrong address is said soon."""


@dataclass(frozen=True, slots=True)
class Described:
    """What an endpoint says of itself: columns that it takes and needs, and what it answers with.

    ``texts`` are columns whose values are texts, whatever they look like. ``classes`` are the labels in order, None for
    numbers.
    """

    name: str
    version: int
    digest: str | None
    takes: tuple[str, ...]
    needs: tuple[str, ...]
    texts: frozenset[str]
    classes: tuple[Any, ...] | None
    most_rows: int


@dataclass(slots=True)
class _Rows:
    """Answers, each at its row's place. Several threads fill it, each the rows that it asks about."""

    predictions: list[Any]
    scores: list[list[float | None]]
    ids: list[str | None]
    versions: list[int | None]
    flags: list[str | None]
    told: set[int] = field(default_factory=set)

    @property
    def rejected(self) -> int:
        return len(self.told)

    @classmethod
    def of(cls, rows: int, classes: int) -> _Rows:
        return cls([None] * rows, [[None] * rows for _ in range(classes)], [None] * rows, [None] * rows, [None] * rows)


class RemoteScoring:
    """Scores through the endpoint that *caller* calls, by requests of *request_rows* rows, *concurrency* at a time.

    Besides the answers each row brings ``prediction_id``, by which its label can be sent later, and ``model_version``.
    The batch is of one version; where another one answers it is refused, unless *any_version* lets it.

    A row that the endpoint rejects is left out and the others are asked again, so it costs its request twice. A request
    carries a name (X-Request-Id) made of its rows: where one had to be repeated, the endpoint's prediction log may hold
    its rows twice, under that same name; the answers written here never do.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        name: str,
        version: int | None = None,
        request_rows: int = REQUEST_ROWS,
        concurrency: int = CONCURRENCY,
        any_version: bool = False,
    ) -> None:
        """Ask the endpoint what it serves. Raises NotFound where that is not *name*, Refused where not *version*."""
        self._caller = caller
        self._any = any_version
        self.described = described = describe(caller)
        if described.name != name:
            raise NotFound(f"{caller.url} serves {quote(described.name)}, not {quote(name)}.")
        if version is not None and described.version != version:
            raise Refused(f"{caller.url} serves version {described.version} of {name}, not {version}.")
        self._rows = min(request_rows, described.most_rows)
        self._pool = ThreadPoolExecutor(concurrency, "batch-call")

    @property
    def identity(self) -> dict[str, Any]:
        """The model and its version; not the address, behind which the same may be served."""
        version = None if self._any else self.described.version
        return {"model": self.described.name, "version": version, "through": "an endpoint"}

    @property
    def written(self) -> Written:
        """What the endpoint does not take keeps its characters, besides its texts."""
        described = self.described
        return Written(
            typed=frozenset(described.takes) - described.texts, learned=frozenset(described.needs) & described.texts
        )

    def require(self, columns: Sequence[str]) -> None:
        """Raise InputError where the endpoint needs a column that is not among *columns*."""
        require(self.described.needs, columns)

    def score(self, frame: pl.DataFrame, *, place: str) -> Scored:
        """Send every row and put the answers in the order of the rows."""
        import polars as pl

        self.require(frame.columns)
        classes = self.described.classes
        rows = _Rows.of(frame.height, len(classes or ()))
        sent = sendable(frame, self.described.takes)
        left = self._without_infinite(sent, rows)
        starts = range(0, len(left), self._rows)
        calls = [
            self._pool.submit(self._ask, sent, left[start : start + self._rows], rows, f"{place}-{start}")
            for start in starts
        ]
        try:
            for call in calls:
                call.result()
        except BaseException:
            for call in calls:
                call.cancel()
            raise
        versions = tuple(sorted({version for version in rows.versions if version is not None}))
        flags = pl.Series("flags", rows.flags, pl.String)
        columns = pl.DataFrame([*self._answers(rows), flags])
        return Scored(columns, rows.rejected, flags.count() - rows.rejected, versions)

    def close(self) -> None:
        """End what is being asked."""
        self._caller.close()
        self._pool.shutdown(cancel_futures=True)

    def _answers(self, rows: _Rows) -> list[pl.Series]:
        import polars as pl

        classes = self.described.classes
        kind = pl.Float64() if classes is None else label_type(classes)
        columns = [pl.Series("prediction", rows.predictions, kind, strict=False)]
        names = () if classes is None else [f"probability_{label}" for label in classes]
        for name, scores in zip(names, rows.scores, strict=True):
            columns.append(pl.Series(name, scores, pl.Float64))
        if len(names) == 2:
            columns = [columns[0], columns[2].rename("probability")]
        return [
            *columns,
            pl.Series("prediction_id", rows.ids, pl.String),
            pl.Series("model_version", rows.versions, pl.Int64),
        ]

    def _without_infinite(self, sent: pl.DataFrame, rows: _Rows) -> list[int]:
        """The places of the rows that can be sent; the others are rejected here, as the endpoint would."""
        for name, mask in infinite(sent).items():
            for row in mask.arg_true().to_list():
                _reject(rows, row, f"finite:{name}")
        return (
            list(range(sent.height))
            if not rows.rejected
            else [row for row in range(sent.height) if row not in rows.told]
        )

    def _ask(self, sent: pl.DataFrame, places: list[int], rows: _Rows, request: str) -> None:
        """Ask about the rows at *places*; those that are rejected are told, and the others asked about again."""
        while places:
            whole = places[-1] - places[0] + 1 == len(places)
            part = sent.slice(places[0], len(places)) if whole else sent[places]
            answer = self._caller.post("/predict", body(part), request=request)
            if answer.status == 200:
                self._take(answer.body, places, rows)
                return
            if answer.status == 413 and len(places) > 1:
                middle = len(places) // 2
                self._ask(sent, places[:middle], rows, f"{request}.1")
                places, request = places[middle:], f"{request}.2"
                continue
            if answer.status != 422 or not (bad := _rejected(answer.body, places)):
                raise InputError(f"The endpoint does not take the rows: {answer.said}")
            for row, words in bad.items():
                _reject(rows, row, *words)
            places = [row for row in places if row not in bad]

    def _take(self, said: dict[str, Any], places: list[int], rows: _Rows) -> None:
        """Put the answers of one request to their rows."""
        predictions, version = said.get("predictions"), said.get("version")
        if not isinstance(predictions, list) or len(predictions) != len(places):
            raise Unreachable(f"{self._caller.url} answers with something else than {len(places)} predictions.")
        if version != self.described.version and not self._any:
            raise Refused(
                f"The endpoint answers with version {version} of {self.described.name}, and began with "
                f"{self.described.version}: a promotion, or a canary. What is written is kept. Let rows of several "
                "versions be together (--any-version; each row says its own), or score through the registry, without "
                "--url."
            )
        chances = said.get("probabilities") or {}
        flags = said.get("flags") or {}
        for number, (place, prediction) in enumerate(zip(places, predictions, strict=True)):
            rows.predictions[place] = prediction
            rows.ids[place] = row_id(str(said.get("id")), number, len(places))
            rows.versions[place] = version
            if str(number) in flags:
                rows.flags[place] = ",".join(flags[str(number)])
        for column, scores in zip(rows.scores, chances.values(), strict=False):
            for place, score in zip(places, scores, strict=True):
                column[place] = score


def describe(caller: Caller) -> Described:
    """What the endpoint says of itself in its OpenAPI document. Raises InputError where that is none of ours."""
    answer = caller.get("/openapi.json", patience=FIRST_PATIENCE)
    try:
        info, schemas = answer.body["info"], answer.body["components"]["schemas"]
        items = schemas["Predictions"]["properties"]["predictions"]["items"]
        many = next(each for each in schemas["Rows"]["oneOf"] if each.get("type") == "array")
        return Described(
            name=str(info["title"]),
            version=int(info["version"]),
            digest=info.get("x-mainspring", {}).get("digest"),
            takes=tuple(schemas["Row"]["properties"]),
            needs=tuple(schemas["Row"]["required"]),
            texts=_texts(info, schemas["Row"]["properties"]),
            classes=tuple(items["enum"]) if "enum" in items else None,
            most_rows=int(many["maxItems"]),
        )
    except (KeyError, TypeError, ValueError, StopIteration):
        raise InputError(
            f"{caller.url} does not describe a model of Mainspring at /openapi.json ({answer.said}). Expected the "
            "address that mainspring serve tells."
        ) from None


def _texts(info: dict[str, Any], properties: dict[str, Any]) -> frozenset[str]:
    """The columns that are texts; an endpoint that does not tell them has told at least which are nothing else."""
    told = info.get("x-mainspring", {}).get("texts")
    if told is not None:
        return frozenset(told)
    plain = {name: each for name, each in properties.items() if not {"format", "enum"} & each.keys()}
    return frozenset(name for name, each in plain.items() if "string" in each["type"])


def _rejected(said: dict[str, Any], places: list[int]) -> dict[int, list[str]]:
    """The rows that a 422 tells of, each with its flags. Not all need be told at once."""
    bad: dict[int, list[str]] = {}
    for each in said.get("violations", ()):
        number = each.get("row")
        if isinstance(number, int) and 0 <= number < len(places):
            bad.setdefault(places[number], []).append(f"{str(each.get('rule')).replace(' ', '_')}:{each.get('field')}")
    return bad


def _reject(rows: _Rows, place: int, *words: str) -> None:
    before = rows.flags[place] or REJECTED
    rows.flags[place] = ",".join([before, *words])
    rows.told.add(place)


if TYPE_CHECKING:

    def _fits(remote: RemoteScoring) -> Scoring:
        return remote
