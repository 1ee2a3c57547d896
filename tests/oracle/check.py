"""What has to hold at a quiescent point. The numbers (I1 …) are those of the sync engine's invariants."""
from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from index import Index, IndexBox, NotNow, entry_key
from proof import broken_notify, messages_of_1970, stale_listing
from replay import Replay, message_key
from truth import Box
from world import USER, World

SHOWN = 40  # differences that a failure prints
PAGE = 1000
# Dovecot itself changes its mind for a moment after another UIDVALIDITY: flags that it had not written yet.
TRUTH_SECONDS = 2
# After so long without agreement: is it the server that tells the daemon of other mailboxes than there are?
STALE_SECONDS = 8


class Failed(Exception):
    """An invariant does not hold."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(f"{len(problems)} problems:\n  " + "\n  ".join(problems[:SHOWN]))
        self.problems = problems


def cut(truth: dict[str, Box], index: Index) -> dict[str, Box]:
    """What is to be indexed: from the first UID on, of mailboxes that have one."""
    firsts = {m.path: m.first_uid for m in index.boxes.values() if not m.no_select}
    return {path: replace(t, rows={u: f for u, f in t.rows.items() if u >= firsts.get(path, 0)}) for path, t in truth.items()}


def compare(index: Index, truth: dict[str, Box], modseq: bool) -> list[str]:
    """Index against mailboxes (I1, I2)."""
    out = []
    by_path = {m.path: m for m in index.boxes.values() if not m.no_select}
    out += [f"index: mailbox {path!r} is missing" for path in truth if path not in by_path]
    out += [f"index: mailbox {path!r} does not exist" for path in by_path if path not in truth]
    for path, t in truth.items():
        if path in by_path:
            out += _compare_box(by_path[path], t, modseq)
    return out


def _compare_box(m: IndexBox, t: Box, modseq: bool) -> list[str]:
    name = f"index: {m.path!r}"
    if m.uid_validity != t.uid_validity:
        return [f"{name} has UIDVALIDITY {m.uid_validity}, the server {t.uid_validity}"]
    out = []
    missing, phantom = sorted(t.rows.keys() - m.rows.keys()), sorted(m.rows.keys() - t.rows.keys())
    if missing:
        out.append(f"{name} lacks UIDs {missing[:20]} (phase {m.phase}, last UID {m.last_uid})")
    if phantom:
        out.append(f"{name} has UIDs {phantom[:20]} that the server does not have")
    flags = [f"{uid}: {sorted(m.rows[uid])}, server {sorted(t.rows[uid])}" for uid in t.rows
             if uid in m.rows and m.rows[uid] != t.rows[uid]]
    if flags:
        out.append(f"{name} has other flags for {len(flags)} messages: {'; '.join(flags[:5])}")
    if m.count != len(m.rows):
        out.append(f"{name} counts {m.count} messages and has {len(m.rows)}")
    if m.last_uid > t.uid_next - 1:
        out.append(f"{name} has last UID {m.last_uid}, UIDNEXT is {t.uid_next}")
    if modseq and m.modseq > t.modseq:
        out.append(f"{name} has MODSEQ {m.modseq}, the server {t.modseq}")
    lost = sorted(u for u in t.recent if u < m.first_uid)
    if lost:
        out.append(f"{name} begins at UID {m.first_uid}, above {lost[:20]} that are young enough")
    return out


@dataclass
class Deliveries:
    """What the consumer took, held against the log (I4, I7, I8)."""
    taken: set[str] = field(default_factory=set)  # event ids
    events: dict[str, str] = field(default_factory=dict)  # log entry -> event id
    last: str = ""
    at: int = 0
    repeats: int = 0
    problems: list[str] = field(default_factory=list)

    def look(self, world: World) -> None:
        with world.consumer.lock:
            new = world.consumer.deliveries[self.at:]
        self.at += len(new)
        for d in new:
            if d.account == USER and d.status is not None and d.status < 300:
                self._take(d)

    def _take(self, d) -> None:
        """One entry may be rendered as several deliveries: their event ids end in .0, .1 and so on."""
        entry, event = d.headers["x-ee-wh-id"], d.id.partition(".")[0]
        if entry in self.events and self.events[entry] != event:
            self.problems.append(f"delivery {entry} came under the event ids {self.events[entry]} and {event}")
        if d.id in self.taken:
            self.repeats += 1
            return
        if self.last and entry_key(entry) < entry_key(self.last):
            self.problems.append(f"delivery {entry} ({d.event}) came for the first time behind {self.last}")
        self.taken.add(d.id)
        self.events[entry] = event
        self.last = entry

    def differences(self, replay: Replay) -> list[str]:
        out = [f"delivery: {e} was not delivered" for e in replay.ids.values() if self.events.get(e.entry) != e.id]
        if len(self.events) > len(replay.ids):
            log = {e.entry for e in replay.ids.values()}
            out += [f"delivery: {entry} was delivered but is not in the log" for entry in self.events if entry not in log]
        return out


class Checker:
    def __init__(self, world: World) -> None:
        self.world, self.replay, self.deliveries = world, Replay(), Deliveries()
        self.cursors: dict[int, tuple[int, int, int]] = {}  # box -> epoch, last UID, MODSEQ
        self.index, self.truth, self.whole = Index(), {}, {}  # truth: without what is too old to be indexed
        self.torn = 0  # departures of messages that the server never really showed
        self.names: dict[int, set[str]] = {}  # box -> every path it had
        self.stale = 0  # sessions of the daemon that the server went on telling of mailboxes of long ago

    def settle(self, seconds: float) -> float:
        """Waits until everything agrees; raises Failed when it does not in time. Returns the time it took."""
        self.whole = self.world.truth.snapshot()
        begin, pause = time.monotonic(), 0.02
        read, began, may_be_stale = begin, time.time(), True
        while True:
            if time.monotonic() - read > TRUTH_SECONDS:
                self.whole, read = self.world.truth.snapshot(), time.monotonic()
            open_points = self._look()
            self._excuse_torn()
            for known in (self.replay.problems, self.deliveries.problems, self.world.proxy.violations):
                if known:  # nothing later can make these good
                    raise Failed(known)
            if not open_points:
                break
            if time.monotonic() - begin > STALE_SECONDS and may_be_stale and self._server_is_stale(began):
                may_be_stale = False
                self.stale += 1
                begin = time.monotonic()
                self.world.daemon.put(f"/v1/account/{USER}/reconnect", {"reconnect": True})
            if time.monotonic() - begin > seconds:
                raise Failed(open_points)
            time.sleep(pause)
            pause = min(pause * 1.3, 0.2)
        self._settled()
        return time.monotonic() - begin

    def _excuse_torn(self) -> None:
        """Dovecot's own fault: of a mailbox that is renamed while it is selected it tells empty messages of 1970, older
        than anything that is to be announced, and then that they went; the same of what another session expunged.
        Excused is the departure of a message that was shown so in that mailbox, and after a reset that it was there."""
        told = [e for e in self.replay.strangers if e.type == "messageDeleted"]
        kept = [e for entries in self.replay.kept.values() for e in entries]
        self.replay.strangers.clear()
        shown = messages_of_1970(list(self.world.proxy.traffic)) if told or kept else set()
        for e in told + kept:
            key = message_key(e.data["id"])
            if key in self.replay.torn or not any((path, e.uid) in shown for path in self.names.get(e.box, set()) | {e.path}):
                continue
            self.replay.problems = [p for p in self.replay.problems if str(e) not in p]
            if e in kept:
                self.replay.torn.add(key)
            self.torn += 1

    def _server_is_stale(self, since: float) -> bool:
        """Dovecot's own fault: the daemon's session is answered, or told, what is not so, and a new one knows better. No
        client can tell that from the truth."""
        traffic, fresh = list(self.world.proxy.traffic), self.world.client()
        try:
            return stale_listing(traffic, since + 1, fresh) or broken_notify(traffic, since, fresh)
        finally:
            fresh.close()

    def _look(self) -> list[str]:
        try:
            self.index = self.world.dump.read(self.replay.last)
        except NotNow as e:
            return [f"the store cannot be read: {e}"]
        self.replay.way = self.world.sync_from.way if self.world.since else 0
        self.replay.feed(self.index.entries)
        self._watch_cursors()
        self.deliveries.look(self.world)
        self.truth = cut(self.whole, self.index)
        if self.world.since:
            self.replay.aged = {path: t.rows.keys() - t.recent for path, t in self.whole.items()}
        out = (compare(self.index, self.truth, self.world.mode.modseq) + self.replay.differences(self.index)
               + self.deliveries.differences(self.replay))
        return out + (self.world.sync_from.differences(self.index) if self.world.since else [])

    def beginnings(self) -> list[str]:
        """Before anything went: an index begins at the first message that is young enough, unless all are."""
        out = []
        for m in (m for m in self.index.boxes.values() if not m.no_select):
            t = self.whole[m.path]
            first = min(t.recent, default=t.uid_next) if self.world.since else 0
            if m.first_uid not in ((first,) if any(u < first for u in t.rows) else (0, first)):
                out.append(f"index: {m.path!r} begins at UID {m.first_uid}, not {first}")
            if (m.since_day != 0) != self.world.since:
                out.append(f"index: {m.path!r} begins at day {m.since_day}")
        return out

    def _watch_cursors(self) -> None:
        """Within an epoch neither last UID nor MODSEQ goes back (I2)."""
        for m in self.index.boxes.values():
            self.names.setdefault(m.box, set()).add(m.path)
            epoch, last_uid, modseq = self.cursors.get(m.box, (m.epoch, 0, 0))
            if epoch == m.epoch and (m.last_uid < last_uid or m.modseq < modseq):
                self.replay.problems.append(f"index: {m.path!r} went back from UID {last_uid}, MODSEQ {modseq} "
                                            f"to {m.last_uid}, {m.modseq}")
            self.cursors[m.box] = (m.epoch, m.last_uid, m.modseq)

    def _settled(self) -> None:
        self.replay.settle(self.index)
        if self.world.since:
            self.world.sync_from.way = 0
        problems = self._api()
        if problems:
            raise Failed(problems)

    # --- the API says the same ---

    def _api(self) -> list[str]:
        out = []
        listed = {m["path"]: m for m in self.world.daemon.get(f"/v1/account/{USER}/mailboxes")["mailboxes"]
                  if not m.get("noSelect")}
        if not listed.keys() >= self.truth.keys():
            out.append(f"API: mailboxes {sorted(listed)}, on the server {sorted(self.truth)}")
        for path, t in self.truth.items():
            count = listed.get(path, {}).get("messages")
            if count != len(t.rows):
                out.append(f"API: {path!r} has {count} messages, on the server {len(t.rows)}")
        return out

    def api_listing(self, path: str) -> list[str]:
        """The listing of one mailbox, all pages, with flags as the API shows them."""
        rows = self.world.daemon.messages(USER, path, PAGE)
        seen = {r["uid"]: frozenset(f.lower() for f in r["flags"] if f.lower() != "\\recent") for r in rows}
        number = next(m.number for m in self.index.boxes.values() if m.path == path)
        out = [f"API: {path!r} lists id {r['id']} for UID {r['uid']}" for r in rows
               if message_key(r["id"]) != (number, r["uid"])]
        if seen != self.truth[path].rows:
            out.append(f"API: {path!r} lists {len(seen)} messages otherwise than the server")
        return out
