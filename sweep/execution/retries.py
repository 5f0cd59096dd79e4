"""Whether a trial whose process was killed is started again."""

from __future__ import annotations

FRUITLESS_STARTS = 3
"""A trial that was killed so many times in a row without finishing an epoch between has failed: it is what kills it."""


class Retries:
    """Counts a trial's starts that came to nothing. One that finished an epoch begins the count anew: the trial goes on
    from its checkpoint, so that every such start brings it nearer to its end."""

    def __init__(self) -> None:
        self._epochs: dict[int, int] = {}
        self._fruitless: dict[int, int] = {}

    def begin(self, number: int, epochs: int) -> None:
        """A trial starts with so many finished epochs."""
        self._epochs[number] = epochs

    def may_try_again(self, number: int, epochs: int) -> bool:
        """Whether a trial that was killed after so many epochs, those of earlier starts included, is started again."""
        fruitless = self._fruitless.get(number, 0) + 1 if epochs <= self._epochs[number] else 0
        self._fruitless[number] = fruitless
        return fruitless < FRUITLESS_STARTS

    def forget(self, number: int) -> None:
        """The trial has ended."""
        self._epochs.pop(number, None)
        self._fruitless.pop(number, None)
