from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.monitor.stream import RISE, LossStream, threshold

LOSSES = st.lists(st.floats(0, 10), max_size=50)


@given(LOSSES, LOSSES)
def test_updating_agrees_with_one_row_at_a_time(first: list[float], second: list[float]) -> None:
    stream = LossStream(mean=2.0, deviation=1.5, quiet_rows=1e5)
    level, peaks, raised = 0.0, [], False
    for part in (first, second):
        stream = stream.update(np.array(part))
        # after an alarm it goes on from the threshold
        peak = level = lowest = min(level, stream.threshold) if raised and part else level
        for place, loss in enumerate(part):
            level = max(0.0, level + (loss - 2.0) / 1.5 - RISE / 2)
            peak, lowest = level if place == 0 else max(peak, level), min(lowest, level)
        peaks.append(peak)
        if part:
            raised = lowest > 1e-9 or level > stream.threshold if raised else peak > stream.threshold
        assert stream.raised is raised
        assert stream.level == pytest.approx(level, abs=1e-9)
        assert stream.peak == pytest.approx(peak, abs=1e-9)
    assert stream.rows == len(first) + len(second)
    assert LossStream.from_dict(json.loads(json.dumps(stream.as_dict()))) == stream


def test_false_alarms_are_as_rare_as_asked_for() -> None:
    """Errors of a classifier that is wrong in a tenth of the rows; the mean run is within half and three times."""
    draw = np.random.default_rng(0)
    quiet = 3_000.0
    runs = []
    for _ in range(100):
        stream, rows = LossStream(mean=0.1, deviation=0.3, quiet_rows=quiet), 0
        while not stream.raised and rows < 20 * quiet:
            stream, rows = stream.update((draw.random(100) < 0.1).astype(np.float64)), rows + 100
        runs.append(rows)
    assert 0.5 * quiet < np.mean(runs) < 3 * quiet


def test_a_rise_that_lasts_is_found_and_can_be_dealt_with() -> None:
    draw = np.random.default_rng(0)
    stream = LossStream(mean=0.1, deviation=0.3, quiet_rows=1e6)
    for _ in range(10):
        stream = stream.update((draw.random(200) < 0.1).astype(np.float64))
        assert not stream.raised
    windows = 0
    while not stream.raised:
        stream, windows = stream.update((draw.random(200) < 0.2).astype(np.float64)), windows + 1
    assert windows <= 3
    for _ in range(20):
        stream = stream.update((draw.random(200) < 0.9).astype(np.float64))
        assert stream.raised, "what lasts stays an alarm"
    recovered = []
    for _ in range(10):
        stream = stream.update((draw.random(200) < 0.1).astype(np.float64))
        recovered.append(stream.raised)
    assert not any(recovered[3:]), "what is over is none, however bad it was"


def test_nothing_to_go_by_raises_nothing() -> None:
    assert not LossStream(mean=0.0, deviation=0.0, quiet_rows=10).update(np.ones(500)).raised
    assert LossStream(mean=0.0, deviation=1.0, quiet_rows=10).update(np.array([np.nan])).rows == 0
    assert threshold(1e9) > threshold(1e6) > threshold(10) >= 0
