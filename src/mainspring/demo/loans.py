"""A simulated lender: applications in time order, outcomes that come late, and events whose truth is known.

Nothing here is real data. The point of a simulator is that what happened, when and to which column is known exactly,
so that what the loop found can be held against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

EventKind: TypeAlias = Literal["unit change", "harmless shift", "new category", "concept change"]

START = date(2025, 1, 6)
"""A Monday, so that weeks are calendar weeks."""
REGIONS = ("north", "east", "south", "west")
PURPOSES = ("car", "home", "education", "travel", "debt")
NEW_PURPOSE = "solar"
EMPLOYMENTS = ("employed", "self-employed", "public", "retired", "student")
LABEL_DELAY = timedelta(days=14)
"""An outcome is known two weeks after the application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was made to happen: from ``start`` until before ``end``, to these columns.

    ``hurts`` says whether a model from before the event predicts worse during it.
    """

    kind: EventKind
    start: date
    end: date
    columns: tuple[str, ...]
    hurts: bool
    story: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The simulated table with the truth about it.

    ``probability``: shape (rows,), the true chance of default of every row, which no model sees.
    """

    frame: pl.DataFrame
    probability: np.ndarray[Any, Any]
    events: tuple[Event, ...]


def events(weeks: int) -> tuple[Event, ...]:
    """The four events, in the second half of the history, at fixed shares of it."""

    def day(share: float) -> date:
        return START + timedelta(weeks=round(weeks * share))

    end = START + timedelta(weeks=weeks)
    return (
        Event(
            kind="unit change",
            start=day(0.58),
            end=day(0.62),
            columns=("income",),
            hurts=True,
            story="an upstream release sends the yearly income where the monthly one was agreed",
        ),
        Event(
            kind="harmless shift",
            start=day(0.68),
            end=day(0.74),
            columns=("channel", "age"),
            hurts=False,
            story="a campaign in an app brings younger applicants, who pay back as others like them always did",
        ),
        Event(
            kind="new category",
            start=day(0.79),
            end=end,
            columns=("purpose",),
            hurts=False,
            story=f"a new product: loans with the purpose {NEW_PURPOSE!r}, never seen in training",
        ),
        Event(
            kind="concept change",
            start=day(0.86),
            end=end,
            columns=(),
            hurts=True,
            story="rates rise: what people owe now decides who defaults, what they earn matters less",
        ),
    )


def simulate(*, seed: int = 7, weeks: int = 104, applications: int = 420) -> History:
    """Simulate *weeks* weeks with about *applications* applications a week. The same seed gives the same table.

    >>> simulate(weeks=20, applications=50).frame.columns[:4]
    ['applied', 'applicant', 'age', 'sex']
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    scheduled = events(weeks)
    week = np.arange(weeks)
    # more people borrow before the summer and before the end of the year
    season = 1 + 0.15 * np.sin(2 * np.pi * (week - 8) / 52) + 0.1 * np.sin(4 * np.pi * (week - 3) / 52)
    counts = rng.poisson(applications * season)
    days = np.repeat(week * 7, counts) + rng.integers(0, 7, counts.sum())
    days.sort()
    n = len(days)
    during = {event.kind: _within(days, event) for event in scheduled}
    columns = _applicants(rng, days, during)
    probability = _default_probability(columns, during["concept change"])
    columns["defaulted"] = rng.random(n) < probability
    income = columns["income"].copy()
    income[during["unit change"]] *= 12
    columns["income"] = np.where(rng.random(n) < 0.06, np.nan, np.round(income, -1))
    columns["savings"] = np.where(rng.random(n) < 0.12, np.nan, np.round(columns["savings"], -1))
    seconds = rng.integers(8 * 3600, 20 * 3600, n)
    applied = np.datetime64(datetime.combine(START, time()), "us") + (days * 86_400 + seconds).astype("timedelta64[s]")
    frame = pl.DataFrame({"applied": applied} | columns).with_columns(
        pl.col("income", "savings").fill_nan(None),
        pl.format("A{}", pl.col("applicant").cast(pl.String).str.zfill(6)).alias("applicant"),
    )
    order = frame["applied"].arg_sort()
    return History(frame=frame[order], probability=probability[order.to_numpy()], events=scheduled)


def _within(days: np.ndarray[Any, Any], event: Event) -> np.ndarray[Any, Any]:
    inside: np.ndarray[Any, Any] = (days >= (event.start - START).days) & (days < (event.end - START).days)
    return inside


def _applicants(
    rng: np.random.Generator, days: np.ndarray[Any, Any], during: dict[EventKind, np.ndarray[Any, Any]]
) -> dict[str, np.ndarray[Any, Any]]:
    """Who applies, and for what. Only the harmless shift and the new category change this."""
    import numpy as np

    n = len(days)
    campaign = during["harmless shift"] & (rng.random(n) < 0.45)
    age = np.clip(rng.normal(np.where(campaign, 27, 42), np.where(campaign, 5, 13)), 18, 85).astype(np.int64)
    sex = np.where(rng.random(n) < 0.5, "f", "m")
    employment = rng.choice(EMPLOYMENTS, n, p=[0.58, 0.14, 0.14, 0.09, 0.05])
    employment = np.where(age >= 66, "retired", np.where((age < 26) & (rng.random(n) < 0.3), "student", employment))
    years = np.clip(rng.gamma(1.6, 4.0, n), 0, np.maximum(age - 17, 0)).round(1)
    pay = np.select(
        [employment == "student", employment == "retired", employment == "self-employed"], [6.7, 7.4, 7.9], 7.8
    )
    income = np.exp(rng.normal(pay + 0.012 * np.minimum(years, 25) + 0.004 * (age - 42), 0.38))
    winter = np.cos(2 * np.pi * days / 364)
    purpose = np.array(PURPOSES)[
        np.argmax(
            np.log([0.34, 0.22, 0.1, 0.16, 0.18]) + rng.gumbel(size=(n, 5)) - np.outer(winter, [0, 0, 0.1, 0.25, 0]),
            axis=1,
        )
    ]
    purpose = np.where(during["new category"] & (rng.random(n) < 0.14), NEW_PURPOSE, purpose)
    amount = np.exp(rng.normal(np.where(np.isin(purpose, ["home", "car", NEW_PURPOSE]), 9.3, 8.5), 0.5))
    return {
        "applicant": rng.integers(0, 400_000, n),
        "age": age,
        "sex": sex,
        "region": rng.choice(REGIONS, n, p=[0.22, 0.3, 0.28, 0.2]),
        "channel": np.where(campaign, "app", rng.choice(["branch", "web", "app"], n, p=[0.36, 0.5, 0.14])),
        "employment": employment,
        "employment_years": years,
        "income": income,
        "savings": np.exp(rng.normal(7.6, 1.1, n)),
        "debt": np.round(np.where(rng.random(n) < 0.42, 0, np.exp(rng.normal(8.3, 0.9, n))), -1),
        "late_payments": rng.poisson(np.where(rng.random(n) < 0.25, 1.6, 0.15)),
        "purpose": purpose,
        "amount": np.round(amount, -2),
        "term": rng.choice([12, 24, 36, 48, 60, 72], n, p=[0.12, 0.22, 0.26, 0.18, 0.14, 0.08]),
    }


def _default_probability(x: dict[str, np.ndarray[Any, Any]], rates_rose: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The true chance of default. Only the concept change alters it; sex has no part in it."""
    import numpy as np

    burden = x["amount"] / x["term"] / x["income"]
    owed = np.log1p(x["debt"] / x["income"])
    common = (
        -3.0
        + 0.55 * x["late_payments"]
        - 0.14 * (np.log1p(x["savings"]) - 7.6)
        - 0.02 * np.minimum(x["employment_years"], 20)
        + 0.35 * np.isin(x["employment"], ["self-employed", "student"])
        + 0.25 * (x["purpose"] == "debt")
    )
    before = common + 5.5 * burden + 0.25 * owed - 0.45 * (np.log(x["income"]) - 7.7)
    after = common + 1.0 * burden + 2.3 * owed + 0.35 * (np.log(x["income"]) - 7.7) - 0.6 * (x["late_payments"] > 0)
    return np.asarray(1 / (1 + np.exp(-np.where(rates_rose, after, before))))
