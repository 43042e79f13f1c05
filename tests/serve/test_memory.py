"""Memory that is free again goes back to the system, and no session keeps a second copy of its graph."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from mainspring.package import onnx
from mainspring.serve import memory
from tests.serve import shop

# small pieces come from the heap, and the last of them, which stays, keeps the heap from shrinking by itself
SCRIPT = """
from mainspring.serve import memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
pieces = [bytes(3_000) for _ in range(30_000)]
last = pieces.pop()
del pieces
before = resident()
memory.give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries give memory back by themselves")
def test_what_was_freed_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) > 50_000_000


def test_giving_back_where_there_is_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    memory.give_back()


def test_a_session_does_not_keep_the_bytes_of_its_graph() -> None:
    graph = bytes(shop.bundle("linear", 0).parts["model.onnx"])
    before = sys.getrefcount(graph)
    loaded = onnx.session(graph)
    assert sys.getrefcount(graph) == before
    assert loaded.get_outputs()
