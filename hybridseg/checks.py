"""The conformance suite: does a `Segmenter` keep the contract? For authors, in tests or at a prompt.

>>> from hybridseg import Segmenter, check_segmenter
>>> import numpy as np
>>> class Darkness(Segmenter):
...     def __init__(self, *, power=1.0):
...         self.power = power
...     def _predict_proba(self, image):
...         return (1 - image / np.float32(255)) ** self.power
>>> report = check_segmenter(Darkness, slow=False)
>>> "onnx_export" in report.skipped
True

In a test module, one test per method and check:

    @parametrize_with_checks([Darkness(), Darkness(power=2.0)])
    def test_contract(check):
        check()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .conformance import CHECKS, SLOW_CHECKS, SkipCheck, Subject
from .conformance.metrics import check_metric
from .segmenter import Segmenter

__all__ = [
    "Check", "CheckError", "Report", "all_checks", "check_metric", "check_segmenter", "parametrize_with_checks",
]  # fmt: skip


class CheckError(AssertionError):
    """A method broke the contract; ``failures`` maps each failed check's name to what happened."""

    def __init__(self, method: str, failures: dict[str, str]) -> None:
        self.failures = failures
        lines = [f"  {name}: {message}" for name, message in failures.items()]
        super().__init__("\n".join([f"{method} fails {len(failures)} of its checks", *lines]))


@dataclass(frozen=True)
class Report:
    """The result of `check_segmenter`: names of passed checks, and each skipped one's reason."""

    passed: tuple[str, ...]
    skipped: dict[str, str]

    def __str__(self) -> str:
        return "\n".join([
            f"{len(self.passed)} checks passed", *(f"skipped {name}: {why}" for name, why in self.skipped.items())
        ])  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One named check. Call it with a segmenter (class or object): it raises AssertionError or returns."""

    name: str
    function: Callable[[Subject], None]
    slow: bool

    def __call__(self, segmenter: Segmenter | type[Segmenter]) -> None:
        """Run this check; `SkipCheck` says that it doesn't apply."""
        self.function(Subject(_instance(segmenter)))


def all_checks() -> Iterator[Check]:
    """Yield every check, in the order in which they are best read."""
    for function in (*CHECKS, *SLOW_CHECKS):
        yield Check(function.__name__.removeprefix("check_"), function, function in SLOW_CHECKS)


def check_segmenter(
    segmenter: Segmenter | type[Segmenter],
    *,
    skip: Mapping[str, str] | None = None,
    slow: bool = True,
) -> Report:
    """Run every check on a method and say what failed, all of it at once.

    Parameters
    ----------
    segmenter : Segmenter or subclass of it
        An object is checked with its parameters; it isn't changed.
    skip : mapping of check name to reason, optional
        Checks to leave out, over those that the method's tags name.
    slow : bool
        Whether to run those that take seconds: the export to ONNX.

    Returns
    -------
    Report
        What passed, and what was skipped for which reason.

    Raises
    ------
    CheckError
        If a check failed; it names every one that did.
    ValueError
        If ``skip`` or the tags name a check that doesn't exist.
    """
    subject = Subject(_instance(segmenter))
    reasons = _reasons(subject, skip or {})
    passed: list[str] = []
    skipped: dict[str, str] = {}
    failures: dict[str, str] = {}
    for check in all_checks():
        if check.name in reasons:
            skipped[check.name] = reasons[check.name]
        elif check.slow and not slow:
            skipped[check.name] = "slow, and slow=False was asked for"
        else:
            try:
                check.function(subject)
            except SkipCheck as why:
                skipped[check.name] = str(why)
            except AssertionError as error:
                failures[check.name] = str(error)
            except Exception as error:  # whatever the method raised is what it did wrong
                failures[check.name] = f"raised {type(error).__name__}: {error}"
            else:
                passed.append(check.name)
    if failures:
        raise CheckError(subject.name, failures)
    return Report(tuple(passed), skipped)


def parametrize_with_checks(
    segmenters: Iterable[Segmenter | type[Segmenter]], *, slow: bool = True
) -> Callable[[Any], Any]:
    """Return a pytest decorator: one test per method and check, which takes the argument ``check``.

    A skipped check is a skipped test with its reason.
    """
    import pytest

    params = []
    for segmenter in segmenters:
        subject = Subject(_instance(segmenter))
        reasons = _reasons(subject, {})
        for check in all_checks():
            if slow or not check.slow:
                bound = _pytest_check(check, subject, reasons.get(check.name))
                params.append(pytest.param(bound, id=f"{subject.prototype!r}-{check.name}"))
    return pytest.mark.parametrize("check", params)


def _pytest_check(check: Check, subject: Subject, reason: str | None) -> Callable[[], None]:
    def run() -> None:
        import pytest

        if reason is not None:
            pytest.skip(reason)
        try:
            check.function(subject)
        except SkipCheck as why:
            pytest.skip(str(why))

    return run


def _reasons(subject: Subject, skip: Mapping[str, str]) -> dict[str, str]:
    reasons = {**subject.prototype.tags.skipped_checks, **skip}
    known = [check.name for check in all_checks()]
    for name, reason in reasons.items():
        if name not in known:
            raise ValueError(f"`skip` names no check: `{name}`; known: {', '.join(known)}")
        if not reason:
            raise ValueError(f"`skip` must give a reason for `{name}`")
    return reasons


def _instance(segmenter: Segmenter | type[Segmenter]) -> Segmenter:
    if isinstance(segmenter, Segmenter):
        return segmenter
    if isinstance(segmenter, type) and issubclass(segmenter, Segmenter):
        return segmenter()
    raise ValueError(f"`segmenter` must be a Segmenter or a subclass of it, got {segmenter!r}")
