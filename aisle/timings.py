"""How long each stage of an answer took."""

from collections.abc import Callable

Clock = Callable[[], float]  # seconds, monotonic


class Timings:
    """Milliseconds by stage."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.start = self._last = clock()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = self._clock()
        self._laps[name], self._last = (now - self._last) * 1000, now

    def finished(self) -> dict[str, float]:
        laps = {**self._laps, "total": (self._clock() - self.start) * 1000}
        return {name: round(ms, 2) for name, ms in laps.items()}
