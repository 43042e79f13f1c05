"""Any order of writing, forgetting, ageing and collecting: what is alive or young can be read, and nothing breaks."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mainspring.store import Store, open_store

POOL = [random.Random(number).randbytes(150_000) for number in range(4)]
"""Pieces that values share, each a few chunks long."""


class Collecting(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mainspring-test-"))
        self.store: Store = open_store(self.folder)
        self.values: dict[str, dict[str, bytes]] = {}
        self.live: set[str] = set()
        self.young: set[str] = set()

    @rule(pieces=st.lists(st.sampled_from(range(4)), min_size=1, max_size=3), keep=st.booleans(), small=st.booleans())
    def write(self, pieces: list[int], keep: bool, small: bool) -> None:
        large = b"".join(POOL[piece] for piece in pieces)
        parts = {"large": large, "note": str(pieces).encode()} if not small else {"note": str(pieces).encode()}
        digest = self.store.put_parts(parts, type="t").digest
        self.values[digest] = parts
        self.young.add(digest)
        if keep:
            self.live.add(digest)

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        if self.live:
            self.live.discard(data.draw(st.sampled_from(sorted(self.live))))

    @rule()
    def age(self) -> None:
        for path in self.folder.rglob("*"):
            os.utime(path, (1, 1))
        self.young.clear()

    @rule(dry=st.booleans())
    def collect(self, dry: bool) -> None:
        self.store.gc(set(self.live), dry_run=dry)
        if not dry:
            gone = self.values.keys() - self.live - self.young
            assert not any(self.store.has(digest) for digest in gone)
            self.values = {digest: parts for digest, parts in self.values.items() if digest not in gone}

    @rule()
    def open_again(self) -> None:
        self.store = open_store(self.folder)

    @invariant()
    def what_is_needed_can_be_read(self) -> None:
        for digest in (self.live | self.young) & self.values.keys():
            assert dict(self.store.get_parts(digest)) == self.values[digest]

    def teardown(self) -> None:
        assert list(self.store.verify()) == []
        shutil.rmtree(self.folder)


Collecting.TestCase.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestCollecting = Collecting.TestCase
