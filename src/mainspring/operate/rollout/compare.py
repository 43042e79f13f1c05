"""Is the canary worse than the champion? A test that may be asked as often as one likes.

Of all bad answers (errors, slow ones) of the two, the canary's share should be its share of the requests. The test is
an e-process: the likelihood of the canary's actual share, averaged over every share above the fair one, against that of
the fair one. By Ville's inequality it ever exceeds 1/alpha with probability at most alpha where the canary is no worse,
however often one looks (Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; Ramdas,
Grünwald, Vovk and Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ALPHA = 0.001
"""How often a version that is no worse may be called worse, in one rollout step and comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many answers there were, and how many of them were bad."""

    answers: int = 0
    bad: int = 0

    @property
    def share(self) -> float:
        """The share of bad answers; 0 of none."""
        return self.bad / self.answers if self.answers else 0.0


def is_worse(canary: Counts, champion: Counts, *, alpha: float = ALPHA) -> bool:
    """Whether the canary surely has a larger share of bad answers.

    False where either has answered nothing: then nothing can be compared.

    >>> is_worse(Counts(answers=50, bad=5), Counts(answers=950, bad=0))
    True
    >>> is_worse(Counts(answers=50, bad=1), Counts(answers=950, bad=9))
    False
    """
    if not canary.answers or not champion.answers:
        return False
    return log_evidence(canary, champion) >= -math.log(alpha)


def log_evidence(canary: Counts, champion: Counts) -> float:
    """The natural logarithm of the e-process after these counts; 0 after none."""
    from scipy.special import betaincc, betaln

    fair = canary.answers / (canary.answers + champion.answers)
    mine, others = canary.bad, champion.bad
    # the integral of p^mine (1-p)^others over (fair, 1), divided by the width of the range and by the value at fair
    beyond = float(betaincc(mine + 1, others + 1, fair))
    if beyond == 0:
        return -math.inf
    above = float(betaln(mine + 1, others + 1)) + math.log(beyond)
    return above - math.log1p(-fair) - mine * math.log(fair) - others * math.log1p(-fair)
