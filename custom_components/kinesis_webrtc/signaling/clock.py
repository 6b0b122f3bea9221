"""The service's time, as learnt from its answers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
import logging
import time

_LOGGER = logging.getLogger(__name__)

# A signature may be up to 5 minutes off, and a presigned URL lives for 299 s from its
# date; below this limit the Date header's resolution and the way there matter more.
SKEW_LIMIT = timedelta(seconds=60)
# A clock that is slewed takes the steady one along; this far apart, it was set.
_SET_LIMIT = timedelta(seconds=2)


def utcnow() -> datetime:
    """Return the local clock's time in UTC."""
    return datetime.now(UTC)


class ServiceClock:
    """A clock that corrects the local one by what the Date headers say."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = utcnow,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without any offset; `steady` counts seconds and never jumps."""
        self._now = now
        self._steady = steady
        self._offset = timedelta()
        self._began = self._beginning()
        self._on_correction: Callable[[timedelta], None] | None = None

    def on_correction(self, listener: Callable[[timedelta], None]) -> None:
        """Have a listener called when a correction begins, and with nothing at its end."""
        self._on_correction = listener

    @property
    def offset(self) -> timedelta:
        """Service minus local time, as last measured.

        Nothing if the local clock was set since: it then is what it was set right by.
        """
        was_set = abs(self._beginning() - self._began) > _SET_LIMIT
        return timedelta() if was_set else self._offset

    @property
    def correction(self) -> timedelta:
        """The offset if it is too large to be ignored, else nothing."""
        return self._offset if abs(self._offset) > SKEW_LIMIT else timedelta()

    def now(self) -> datetime:
        """Return the service's time; the local one while they agree."""
        return self._now() + self.correction

    def differs(self, correction: timedelta) -> bool:
        """Return whether a signature dated by an earlier correction may be refused."""
        return abs(self.correction - correction) > SKEW_LIMIT

    def learn(self, date: str | None) -> None:
        """Measure the offset by a Date header just received, if there is one."""
        try:
            service_time = parsedate_to_datetime(date or "")
        except ValueError:
            return
        if service_time.tzinfo is None:
            service_time = service_time.replace(tzinfo=UTC)
        was_off = bool(self.correction)
        self._offset = service_time - self._now()
        self._began = self._beginning()
        if self.correction and not was_off:
            _LOGGER.warning(
                "The local clock differs from the service's by %.0f s; signatures are"
                " dated by the service's",
                self._offset.total_seconds(),
            )
        elif was_off and not self.correction:
            _LOGGER.info("The local clock agrees with the service's again")
        if was_off != bool(self.correction) and self._on_correction is not None:
            self._on_correction(self.correction)

    def _beginning(self) -> datetime:
        """Return when the steady clock began, by the local clock."""
        return self._now() - timedelta(seconds=self._steady())
