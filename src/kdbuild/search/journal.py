"""The journal of a search: every trial, kept by Optuna in a log of JSON lines, from which the same command goes on.

Trials of one run, seed and space belong together whatever the budget: each budget is a study of its own, since what was
over one budget is none of another's business, and takes over the students that others have trained.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from kdbuild.console import say
from kdbuild.search.space import Point, distributions

_REUSED, _WHY = "reused", "why"


@dataclass(frozen=True)
class Trial:
    """A student that was trained shortly."""

    number: int
    point: dict[str, int]
    size: int
    """Bytes of its native file."""
    agreement: float
    """With the teacher on held-out texts, 0 to 1."""
    seconds: float
    work: float
    """What its training was estimated at."""
    latency_ms: float | None
    reused: bool
    """Whether a search within another budget trained it."""


class Journal:
    """The trials of one search, on disk.

    Args:
        path: the file, made if it isn't there; nobody else works with it.
        key: of what trials have to share to be comparable.
        budget: what else tells this search from others in the file.
        seed: determines what is proposed.
        largest: size in bytes over which another budget's students aren't taken over.
    """

    def __init__(self, path: Path, key: str, budget: str, seed: int, largest: float):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path.parent.mkdir(parents=True, exist_ok=True)
        _mend(path)
        self._storage = JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
        self._seed = seed
        others = {name for name in optuna.get_all_study_names(self._storage) if name != f"{key} {budget}"}
        self._study = optuna.create_study(
            storage=self._storage, study_name=f"{key} {budget}", direction="maximize", load_if_exists=True
        )
        self._fail_left_running()
        related = sorted(name for name in others if name.startswith(f"{key} "))
        self._take_over(related, largest)
        if foreign := len(others) - len(related):
            say(
                f"search: {foreign} earlier searches here were of other data, options or seeds, and aren't gone on with"
            )

    def _fail_left_running(self) -> None:
        """Fail the trials of a process that was killed."""
        left = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING]
        for trial in left:
            self._study.tell(trial.number, state=TrialState.FAIL)
        if left:
            say(f"search: {len(left)} trial{'s' if len(left) > 1 else ''} left running by a process that ended: failed")

    def _take_over(self, names: list[str], largest: float) -> None:
        """Add what searches within other budgets have trained."""
        known = [trial.point for trial in self.trials()]
        taken = 0
        for name in names:
            for trial in optuna.load_study(study_name=name, storage=self._storage).get_trials(deepcopy=False):
                if not _is_trained(trial) or trial.user_attrs["size"] > largest or dict(trial.params) in known:
                    continue
                attributes = trial.user_attrs | {_REUSED: True}
                self._study.add_trial(
                    create_trial(
                        params=trial.params, distributions=trial.distributions, value=trial.value, user_attrs=attributes
                    )
                )
                known.append(dict(trial.params))
                taken += 1
        if taken:
            say(f"search: {taken} students of searches within other budgets are taken over")

    def trials(self) -> list[Trial]:
        """Return the students that were trained, in their order."""
        return [_trial(trial) for trial in self._study.get_trials(deepcopy=False) if _is_trained(trial)]

    def counts(self) -> dict[str, int]:
        """Return how many proposals weren't trained, by reason; ``failed`` for trainings that ended early."""
        found: dict[str, int] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == TrialState.FAIL:
                found["failed"] = found.get("failed", 0) + 1
            elif trial.state == TrialState.PRUNED:
                why = trial.user_attrs[_WHY]
                found[why] = found.get(why, 0) + 1
        return found

    def is_empty(self) -> bool:
        """Tell whether nothing was proposed yet."""
        return not self._study.get_trials(deepcopy=False)

    def enqueue(self, point: Point) -> None:
        """Propose a point next."""
        self._study.enqueue_trial(dict(point))

    def ask(self) -> optuna.Trial:
        """Propose a student.

        Each proposal has a seed of its own, so that a search that was stopped and went on proposes what it would have.
        """
        number = len(self._study.get_trials(deepcopy=False))
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            # A constant agreement, as tiny students have, leaves nothing to model.
            warnings.simplefilter("ignore")
            self._study.sampler = TPESampler(seed=seed)
            return self._study.ask(distributions())

    def pass_over(self, trial: optuna.Trial, why: str, size: int) -> None:
        """Record that a proposal isn't trained; until students are, the smaller one is thought the better, in bytes."""
        trial.set_user_attr(_WHY, why)
        trial.report(-size, step=0)
        self._study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: optuna.Trial) -> None:
        """Record that a training ended early."""
        self._study.tell(trial, state=TrialState.FAIL)

    def complete(self, trial: optuna.Trial, agreement: float, facts: Mapping[str, Any]) -> None:
        """Record a trained student.

        Args:
            trial: the proposal.
            agreement: the objective.
            facts: ``size``, ``seconds``, ``work`` and ``latency_ms``.
        """
        for name, value in facts.items():
            trial.set_user_attr(name, value)
        self._study.tell(trial, agreement)


def _is_trained(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE


def _trial(trial: FrozenTrial) -> Trial:
    facts = trial.user_attrs
    assert trial.value is not None  # it is complete
    return Trial(
        number=trial.number,
        point=dict(trial.params),
        size=facts["size"],
        agreement=trial.value,
        seconds=facts["seconds"],
        work=facts["work"],
        latency_ms=facts["latency_ms"],
        reused=facts.get(_REUSED, False),
    )


def _mend(path: Path) -> None:
    """Remove what a killed process left: half a line at the end, to which the next would be appended, and its lock."""
    for lock in path.parent.glob(path.name + ".lock*"):
        lock.unlink()
    if not path.exists():
        return
    with path.open("r+b") as stream:
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            stream.truncate(whole)
