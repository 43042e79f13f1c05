"""The page answers first, escapes what comes from outside, and stands where there is little to show."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl

from mainspring.contract import Column, Contract, ProjectSection, Requirement
from mainspring.core.estimate import Estimate
from mainspring.core.predictions import Predictions
from mainspring.evaluate import Evaluation, evaluate
from mainspring.evaluate.page import page
from mainspring.evaluate.whisker import Scale, whisker


class Half:
    """Says the positive class with the chance that stands in column ``p``."""

    task = "binary"
    target = "y"
    features = ("p",)
    classes = ("<no>", "yes")

    def predict(self, frame: pl.DataFrame) -> Predictions:
        chance = frame["p"].to_numpy()
        values = np.where(chance >= 0.5, "yes", "<no>").astype(object)
        return Predictions(values, np.column_stack([1 - chance, chance]), self.classes)


def evaluation(*requirements: Requirement, rows: int = 400, **more: Any) -> Evaluation:
    generator = np.random.default_rng(0)
    chance = generator.random(rows)
    frame = pl.DataFrame(
        {
            "p": chance,
            "who": generator.choice(["<script>alert(1)</script>", "b"], rows),
            "y": np.where(generator.random(rows) < chance, "yes", "<no>"),
        }
    )
    contract = Contract(
        project=ProjectSection(name="t", task="binary", target="y"),
        columns={"p": Column(name="p", type="number"), "who": Column(name="who", type="category", sensitive=True)},
        requirements=requirements,
        **more,
    )
    return evaluate(Half(), frame, contract)  # type: ignore[arg-type]  # plain class attributes serve as well


def text_of(html: str) -> str:
    body = html[html.index("<body>") : html.index("<footer>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_the_answer_comes_first_and_in_plain_words() -> None:
    failed = text_of(page(evaluation(Requirement(metric="roc_auc", at_least=0.99))))
    assert "Not fit for release: 1 must failed (roc_auc at least 0.99)." in failed
    warned = text_of(page(evaluation(Requirement(metric="roc_auc", at_least=0.99, priority="should"))))
    assert "Fit for release with a warning: 1 should failed" in warned
    champion = Requirement(metric="roc_auc", below_champion_by_at_most=0.01)
    held = text_of(page(evaluation(Requirement(metric="roc_auc", at_least=0.5), champion)))
    assert "All 1 measured requirements hold. 1 could not be measured here." in held
    assert held.index("requirements hold") < held.index("Requirements") < held.index("How good it is")
    assert "there is no champion to compare with" in held


def test_what_comes_from_outside_is_escaped_and_nothing_is_loaded_from_there() -> None:
    html = page(evaluation(cost={("yes", "<no>"): 5.0}), title="<b>bold</b>")
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "&lt;b&gt;bold" in html
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", html)


def test_money_draws_the_line() -> None:
    text = text_of(page(evaluation(cost={("yes", "<no>"): 9.0, ("<no>", "yes"): 1.0})))
    assert re.search(r"The best line is at 0\.\d+, which gives 0\.\d+: 0\.\d+ saved on each row", text)


def test_almost_nothing_still_makes_a_page() -> None:
    bare = Evaluation(task="regression", target="y", stage="live", rows=0, metric="rmse")
    text = text_of(page(bare))
    assert "The contract requires nothing at this stage" in text
    assert "No column splits the rows" in text
    tiny = text_of(page(evaluation(rows=3)))
    assert "3 rows" in tiny or "rows 3" in tiny


def test_a_whisker_stays_inside_its_picture() -> None:
    scale = Scale.over([0.2, None, float("nan"), 0.8])
    drawn = whisker(Estimate(0.5, -9.0, 9.0, 10), scale, mark=0.3, allowed="above", label='a "quote"')
    assert "a &quot;quote&quot;" in drawn
    places = [float(number) for number in re.findall(r"M([\d.]+) ", drawn)]
    assert all(0 <= place <= 140 for place in places)
    assert "<circle" not in whisker(Estimate(float("nan")), scale)
