"""An account whose syncFrom changes. What another date brings into the index, or takes out of it, is told to nobody."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from index import Index
from rig.daemon import ApiError, Daemon
from truth import Truth

# From the earliest to the latest: nothing is older than the first two, the others lie between those of OLD_DATES.
DATES = (None, "2014-03-01T00:00:00.000Z", "2018-01-02T12:00:00.000Z", "2020-01-02T12:00:00.000Z")
FIRST_DATE = DATES[-1]
OLD_DATES = ('"10-Mar-2016 10:00:00 +0000"', '"31-Dec-2019 23:00:00 +0000"')
EPOCH, DAY = datetime(1970, 1, 1), timedelta(days=1)
ASK_SECONDS = 2  # the daemon may be stopped, and what was not answered is said again


def since_day(date: str | None) -> int:
    """Days since 1970: a day early, for SEARCH knows no zones."""
    return 0 if date is None else (datetime.strptime(date, "%Y-%m-%dT%H:%M:%S.%fZ") - EPOCH) // DAY - 1


@dataclass
class Since:
    daemon: Daemon
    truth: Truth
    path: str  # of the account
    date: str | None = FIRST_DATE
    told: bool = True
    way: int = 0  # of the date since the last quiescent point: -1 = earlier, 1 = later

    def __post_init__(self) -> None:
        self._search()

    def _search(self) -> None:
        day = EPOCH + since_day(self.date) * DAY
        self.truth.since = None if self.date is None else day.strftime("%d-%b-%Y")

    def move(self, date: str | None) -> None:
        """At most once between two quiescent points: else nobody could tell what was passed over silently."""
        assert self.way == 0 and date != self.date
        self.way = 1 if DATES.index(date) > DATES.index(self.date) else -1
        self.date, self.told = date, False
        self._search()
        self.tell()

    def tell(self) -> None:
        """What is not answered may have been heard: it is said again until it is."""
        if self.told:
            return
        try:
            self.daemon.call("PUT", self.path, {"syncFrom": self.date}, seconds=ASK_SECONDS)
            self.told = True
        except (OSError, ApiError):
            pass

    def differences(self, index: Index) -> list[str]:
        day = since_day(self.date)
        return [f"index: {m.path!r} is that of day {m.since_day}, not {day}" for m in index.boxes.values()
                if not m.no_select and m.since_day != day]
