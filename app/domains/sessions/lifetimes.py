"""How long a session lasts, and why one is over."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.auth.errors import SessionFault
from app.settings import Settings

NOTED = timedelta(minutes=1)
"""How often the use of a session is written down."""


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """`whole` is how long a session lasts at most, `idle` how long without a request."""

    whole: timedelta
    idle: timedelta

    def fault(
        self,
        now: datetime,
        *,
        expires_at: datetime,
        last_used_at: datetime,
        ended_at: datetime | None,
    ) -> SessionFault | None:
        """Return why a session is over now; `None` if it is not."""
        if ended_at is not None:
            return SessionFault.ENDED
        if expires_at <= now:
            return SessionFault.EXPIRED
        if self.idle_at(last_used_at) <= now:
            return SessionFault.IDLE
        return None

    def idle_at(self, last_used_at: datetime) -> datetime:
        """Return when a session is over unless it is used again; its use is noted with a delay."""
        return last_used_at + self.idle + NOTED


def session_times(settings: Settings) -> SessionTimes:
    return SessionTimes(
        timedelta(seconds=settings.dashboard_session_lifetime),
        timedelta(seconds=settings.dashboard_session_idle),
    )
