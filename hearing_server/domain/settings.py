"""What a court may set for one hearing. Fixed when the hearing is scheduled, and part of its first event."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names in `_s` are whole seconds."""

    call_notice_s: int = 5  # from calling a witness to opening the courtroom for them
    direction_lost_grace_s: int = 3  # how long nobody may direct a hearing in session before it is interrupted
    restart_grace_s: int = 10  # the same, after the server itself restarted
    check_in_opens_at: datetime | None = None  # None: an officer of the court opens it
