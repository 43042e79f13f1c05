"""Time written as text: one format and one offset throughout, or a refusal that says where they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.core.errors import InputError, quote
from mainspring.data.dates import fitting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from mainspring.data.dates import DateFormat

_OFFSET = r"(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})$"
ENOUGH_TO_RISE = 5
"""So many different dates in order are no accident (one in 120), and settle whether day or month comes first."""
_EXPLAINED = 1000
"""So many of the texts that do not fit are looked at to say what they are."""
_SHOWN = 3
_COUNTED = "Rows are counted from 1, below the header."
_MEND = "or name another column."


def one_format(series: pl.Series) -> DateFormat:
    """The format in which every text of a time column is a date or a moment; missing values are passed over.

    Raises InputError that names the column, and with an example and its row each format or offset that occurs, where
    there is more than one, where a text is no date, or where day and month could be exchanged and the order of the
    rows with them.
    """
    import polars as pl

    texts = series.cast(pl.String).str.strip_chars()
    first = next((text for text in texts.drop_nulls().head(1)), "")
    read = [(known, known.parse(texts)) for known in fitting([first])]
    read.sort(key=lambda pair: pair[1].null_count())  # a stable sort: of equals the least surprising comes first
    if not read or read[0][1].null_count() > texts.null_count():
        raise InputError(_several(texts, read[0] if read else None))
    known, moments = read[0]
    if known.zoned:
        _one_offset(texts)
    twins = [parsed for other, parsed in read if other.format == known.twin and _whole(parsed, texts)]
    if not twins or moments.equals(twins[0]):
        return known
    rising = [one for one, parsed in ((known, moments), (_named(known.twin), twins[0])) if _rises(parsed)]
    if len(rising) != 1 or texts.n_unique() < ENOUGH_TO_RISE:
        raise InputError(
            f"The time column {quote(texts.name)} holds dates such as {quote(first)} that may begin with the day or "
            f"the month: no value tells which, and the rows would come in another order. Write them as 2026-01-31, "
            f"{_MEND}"
        )
    return rising[0]


def offsets(texts: pl.Series) -> dict[str, int]:
    """The offsets from UTC that end the *texts*, each with the first place where it occurs; Z is +00:00."""
    import polars as pl

    written = texts.str.extract(_OFFSET).str.replace("Z", "+00:00", literal=True).str.replace(":", "", literal=True)
    written = written.str.pad_end(5, "0").alias("offset")
    rows = written.to_frame().with_row_index("row").drop_nulls().unique("offset", keep="first", maintain_order=True)
    return dict(zip(rows["offset"].to_list(), rows["row"].cast(pl.Int64).to_list(), strict=True))


def shown_offsets(texts: pl.Series, found: dict[str, int]) -> str:
    """Each offset by its first text and row: what a message says about them."""
    return _joined([f"{quote(texts[row])} (row {row + 1:,})" for row in found.values()])


def _one_offset(texts: pl.Series) -> None:
    found = offsets(texts)
    if len(found) > 1:
        raise InputError(
            f"The time column {quote(texts.name)} holds times of {len(found)} offsets from UTC: "
            f"{shown_offsets(texts, found)}. {_COUNTED} Write every time with the same offset, best in UTC "
            f"(2026-01-31T12:00:00Z), {_MEND}"
        )


def _several(texts: pl.Series, best: tuple[DateFormat, pl.Series] | None) -> str:
    """Which formats occur, the first one foremost, each with its first text and row."""
    examples: dict[str, tuple[str, int]] = {}
    strange = texts.is_not_null() if best is None else texts.is_not_null() & best[1].is_null()
    if best is not None:
        row = int(best[1].is_not_null().arg_max() or 0)
        examples[_spelled(best[0])] = (texts[row], row)
    for row in strange.arg_true().head(_EXPLAINED).to_list():
        examples.setdefault(_form(texts[row]), (texts[row], row))
    forms = [form for form in examples if form != _NO_DATE]
    parts = [f"{quote(text)} ({form}, row {row + 1:,})" for form, (text, row) in examples.items()]
    what = f"dates in {len(forms)} formats" if len(forms) > 1 else "text that is no date"
    return (
        f"The time column {quote(texts.name)} holds {what}: {_joined(parts)}. {_COUNTED} Expected one format "
        f"throughout, or numbers: write every date as 2026-01-31 or 2026-01-31T12:00:00Z, {_MEND}"
    )


_NO_DATE = "no date"


def _form(text: str) -> str:
    """The least surprising format in which *text* is a date that exists."""
    import polars as pl

    return next((_spelled(f) for f in fitting([text]) if f.parse(pl.Series([text]))[0] is not None), _NO_DATE)


def _spelled(known: DateFormat) -> str:
    return known.format.replace("%.f", "").replace("%#z", "%z")


def _named(written: str | None) -> DateFormat:
    from mainspring.data.dates import named

    return named(written or "")


def _whole(parsed: pl.Series, texts: pl.Series) -> bool:
    return parsed.null_count() == texts.null_count()


def _rises(parsed: pl.Series) -> bool:
    return bool(parsed.drop_nulls().is_sorted())


def _joined(parts: Sequence[str]) -> str:
    """The first few parts, with "and" before the last.

    >>> _joined(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    kept = list(parts[:_SHOWN])
    if len(parts) > len(kept):
        return f"{', '.join(kept)} and {len(parts) - len(kept)} more"
    return " and ".join(filter(None, [", ".join(kept[:-1]), kept[-1]]))
