"""A batch that is killed: ``python dying.py BUNDLE SOURCE FOLDER PARTITION_ROWS STEP``.

It dies by SIGKILL before the STEPth time it puts something on the disk, renames or removes a file; with 0 never, and
then it prints how often it did.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any


def main(bundle: str, source: str, folder: str, rows: str, step: str) -> None:
    from mainspring import package
    from mainspring.serve.batch.job import run
    from mainspring.serve.batch.local import LocalScoring
    from mainspring.serve.batch.source import open_source

    scoring = LocalScoring(package.read(Path(bundle)), name="demo", version=1)
    count = 0

    def counted(call: Any) -> Any:
        def instead(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == int(step):
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return instead

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]
    run(open_source(source), scoring, Path(folder), partition_rows=int(rows))
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
