"""From errors to exit codes: a user's mistake is one message on standard error and exit code 2, never a traceback."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mainspring.core.errors import MainspringError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import App

WRONG_USE = 2
INTERRUPTED = 130


def guarded(app: App, tokens: Sequence[str]) -> int:
    """Call *app* with *tokens* and return the exit code. A command returns its own code, or None for 0."""
    from cyclopts import CycloptsError

    try:
        result = app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _complain(f"{error}\nTry: mainspring {' '.join([*tokens[:1], '--help'])}")
        return WRONG_USE
    except MainspringError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        # the reader of our output has gone (head, less): nothing to say, and nowhere to say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        _complain("Interrupted. What was finished is kept.")
        return INTERRUPTED
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        _complain(_system_message(error))
        return WRONG_USE
    return result if isinstance(result, int) else 0


def _complain(message: str) -> None:
    from mainspring.cli._output import visible

    print(f"mainspring: {visible(message)}", file=sys.stderr)


def _system_message(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}. Nothing half written was left behind."
