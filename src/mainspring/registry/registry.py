"""Which version of a model is live, which may be, and who said so."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mainspring.core.errors import NotFound, Refused, listed
from mainspring.registry.reference import CHAMPION, Reference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mainspring.contract.verdict import Verdict
    from mainspring.core.estimate import Estimate
    from mainspring.ledger.ports.models import ModelVersion, Transition
    from mainspring.package import Bundle
    from mainspring.workspace import Workspace

BUNDLE = "mainspring.bundle"
"""The type under which a bundle's parts are stored."""


class Registry:
    """The models of a workspace.

    A version whose must failed cannot become champion unless somebody overrides it and says why; the history shows it.
    Other aliases are free.
    """

    def __init__(self, workspace: Workspace) -> None:
        """Work on the ledger and the store of *workspace*."""
        self._store = workspace.store
        self._models = workspace.ledger.models
        self._states = workspace.ledger.states

    def register(
        self,
        name: str,
        bundle: Bundle,
        *,
        run: str | None = None,
        metrics: Mapping[str, Estimate] | None = None,
        verdicts: Sequence[Verdict] = (),
        tags: Mapping[str, str] | None = None,
        created: datetime | None = None,
    ) -> ModelVersion:
        """Store *bundle* and add it as the next version of *name*; it passed if no must failed. Nothing goes live."""
        return self._models.create(
            name,
            digest=self.keep(bundle),
            passed=not any(verdict.blocks for verdict in verdicts),
            run=run,
            metrics=metrics,
            evidence={"verdicts": [asdict(verdict) for verdict in verdicts], "kind": bundle.manifest.kind},
            tags=tags,
            created=created,
        )

    def keep(self, bundle: Bundle) -> str:
        """Store *bundle* without telling anybody of it, so that registering it is quick; its digest in the store."""
        meta = {"name": bundle.manifest.name, "form": bundle.manifest.form}
        return self._store.put_parts(bundle.parts, type=BUNDLE, meta=meta).digest

    def resolve(self, reference: str | Reference) -> ModelVersion:
        """The version that *reference* names. Raises NotFound with the nearest names, or with what there is instead."""
        wanted = parse_reference(reference) if isinstance(reference, str) else reference
        if wanted.version is not None:
            return self._models.get(wanted.name, wanted.version)
        versions = self._models.versions(wanted.name)  # raises for a name that is not there
        aliases = self._models.aliases(wanted.name)
        alias = wanted.alias or CHAMPION
        if alias in aliases:
            return self._models.get(wanted.name, aliases[alias])
        if wanted.alias is not None:
            raise NotFound.among(f"alias of {wanted.name}", alias, tuple(aliases))
        newest = versions[0].version
        raise NotFound(
            f"{wanted.name} has no champion yet; it has {_counted(len(versions))}. Name one, such as "
            f"{wanted.name}/{newest}, or make it the champion: mainspring promote {wanted.name} {newest}"
        )

    def champion(self, name: str) -> ModelVersion | None:
        """The champion of *name*; None where the model or a champion is not there yet."""
        try:
            return self.resolve(Reference(name, alias=CHAMPION))
        except NotFound:
            return None

    def load(self, reference: str | ModelVersion) -> Bundle:
        """The bundle of a version, every part verified. Runs no code from it."""
        from mainspring import package

        version = self.resolve(reference) if isinstance(reference, str) else reference
        return package.load(dict(self._store.get_parts(version.digest)))

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """The versions of *name*, newest first."""
        return self._models.versions(name)

    def names(self) -> tuple[str, ...]:
        """The models, sorted."""
        return self._models.names()

    def promote(
        self,
        name: str,
        version: int,
        *,
        alias: str = CHAMPION,
        reason: str = "",
        override: str | None = None,
        at: datetime | None = None,
    ) -> Transition:
        """Let *alias* name *version* of *name*.

        Raises Refused where the version's musts failed, or another version is being rolled out, unless *override* says
        why it may be champion all the same; and where another process has changed the alias in the meantime.
        """
        wanted = self._models.get(name, version)
        before = self._models.aliases(name).get(alias)
        if before == version:
            raise Refused(f"{name}/{version} is the {alias} already.")
        if alias == CHAMPION and not wanted.passed and not (override or "").strip():
            raise Refused(
                f"{name}/{version} cannot become champion: {_failed(wanted)}. Mend it, or take the responsibility: "
                f'mainspring promote {name} {version} --override "why it may"'
            )
        rolling = self.rolling(name, besides=version) if alias == CHAMPION else ""
        if rolling and not (override or "").strip():
            raise Refused(
                f"{name}/{version} cannot become champion: {rolling}, measured against the present champion. Wait "
                f"until that is over, stop it (mainspring rollout {name} --abort), or take the responsibility, which "
                f'stops it too: mainspring promote {name} {version} --override "why it may"'
            )
        lifted = override if alias == CHAMPION and (rolling or not wanted.passed) else None
        return self._models.set_alias(name, alias, version, reason=reason, override=lifted, expected=before, at=at)

    def rollback(self, name: str, *, reason: str = "", at: datetime | None = None) -> Transition:
        """Make the champion before the present one the champion again. Raises Refused where there was none.

        Repeated, it goes further back; a version that was rolled back from is not returned to.
        """
        line = self._line(name)
        if len(line) < 2:
            now = f"no champion came before {name}/{line[-1]}" if line else f"{name} never had a champion"
            raise Refused(f"There is nothing to roll back to: {now}. See: mainspring models history {name}")
        text = reason or f"rolled back from {name}/{line[-1]}"
        return self._models.set_alias(name, CHAMPION, line[-2], reason=text, back=True, expected=line[-1], at=at)

    def history(self, name: str) -> tuple[Transition, ...]:
        """Every change of every alias of *name*, oldest first."""
        return self._models.transitions(name)

    def at(self, name: str, when: datetime) -> ModelVersion | None:
        """The champion of *name* at that time; None where there was none."""
        transition = self._models.at(name, when)
        return None if transition is None or transition.after is None else self._models.get(name, transition.after)

    def rolling(self, name: str, *, besides: int | None = None) -> str:
        """Words on the running rollout of a version *besides* that one, empty where there is none.

        Its document is written by `mainspring.operate.rollout`.
        """
        state = self._states.get("rollout", name)
        if state is None or state.value["status"] != "running" or state.value["version"] == besides:
            return ""
        return f"version {state.value['version']} is being rolled out"

    def _line(self, name: str) -> list[int]:
        """The champions in force one under the other: going back to the one below takes the top one off."""
        line: list[int] = []
        for transition in self._models.transitions(name, alias=CHAMPION):
            if transition.after is None:
                continue
            if transition.back and line:
                line.pop()
            if not line or line[-1] != transition.after:
                line.append(transition.after)
        if not line:
            self._models.versions(name)  # raises for a name that is not there
        return line


def _failed(version: ModelVersion) -> str:
    verdicts: list[dict[str, Any]] = list(version.evidence.get("verdicts", []))
    failed = [v["requirement"] for v in verdicts if v["priority"] == "must" and v["result"] == "fail"]
    return f"it fails {listed(failed)}" if failed else "its musts failed"


def _counted(versions: int) -> str:
    return "1 version" if versions == 1 else f"{versions} versions"
