"""The change log, replayed from its beginning: what a consumer that believes every entry holds in the end.

A message is known by the number and UID of its id: a mailbox gets another number whenever its UIDs
change their meaning. Entries that no honest history could have (an arrival of what is there, a departure
of what is not) are problems by themselves."""
from __future__ import annotations

import base64
from dataclasses import dataclass, field

from index import Entry, Index, entry_key
from truth import flag_set

Key = tuple[int, int]


def message_key(message_id: str) -> Key:
    raw = base64.urlsafe_b64decode(message_id + "=" * (-len(message_id) % 4))
    return int.from_bytes(raw[:4], "big"), int.from_bytes(raw[4:8], "big")


@dataclass
class Row:
    box: int
    flags: frozenset[str]


@dataclass
class Replay:
    boxes: dict[int, str] = field(default_factory=dict)
    rows: dict[Key, Row] = field(default_factory=dict)
    arrived: set[Key] = field(default_factory=set)
    left: set[Key] = field(default_factory=set)
    ids: dict[str, Entry] = field(default_factory=dict)
    reset: dict[int, dict[Key, Row]] = field(default_factory=dict)  # boxes renumbered since the last settling
    # Told of under their new ids, but never as new: those must have been there.
    kept: dict[int, list[Entry]] = field(default_factory=dict)
    torn: set[Key] = field(default_factory=set)  # of those, what the server itself showed as no message
    aged: dict[str, set[int]] = field(default_factory=dict)  # UIDs of messages that came with an old date, by path
    adopted: int = 0  # rows taken over silently from before a reset
    way: int = 0  # of syncFrom since the last settling: -1 = earlier, 1 = later
    firsts: dict[int, int] = field(default_factory=dict)  # where the indexes began then, by number
    settled: bool = False  # before, mailboxes may be there without an entry: the first listing is no news
    moved_from: list[tuple[Entry, Key]] = field(default_factory=list)
    passed: set[tuple[str, int]] = field(default_factory=set)  # what a moving window left behind, by path and UID
    last: str = ""
    problems: list[str] = field(default_factory=list)
    strangers: list[Entry] = field(default_factory=list)  # entries about messages that were never told of

    def feed(self, entries: list[Entry]) -> None:
        for e in entries:
            if self.last and entry_key(e.entry) <= entry_key(self.last):
                self._wrong(e, f"is not behind {self.last}")
            self.last = e.entry
            if e.id in self.ids:
                self._wrong(e, f"has the event id of {self.ids[e.id].entry}")
            self.ids[e.id] = e
            take = TAKE.get(e.type)
            if take is None:
                self._wrong(e, "is of a type that the oracle does not know")
            else:
                take(self, e)

    def _wrong(self, e: Entry, why: str) -> None:
        self.problems.append(f"log entry {e}: {why}")

    # --- messages ---

    def _row(self, e: Entry, key: Key) -> Row | None:
        row = self.rows.get(key)
        if row is None and e.box not in self.reset and not self._entered(key):
            self.strangers.append(e)
            self._wrong(e, "is about a message that was never told of")
        return row

    def _entered(self, key: Key) -> bool:
        """An earlier date brought it into the index, without an entry."""
        return self.way < 0 and key[1] < self.firsts.get(key[0], key[1] + 1)

    def _dropped(self, index: Index) -> set[Key]:
        """A later date took them out of the index, without an entry. What lay below may be gone since."""
        boxes = {m.number: m for m in index.boxes.values()} if self.way > 0 else {}
        return {key for key in self.rows if (m := boxes.get(key[0])) is not None and key[1] not in m.rows
                and (key[1] < m.first_uid or m.first_uid == 0)}

    def _keep(self, e: Entry) -> None:
        if e.box in self.reset:
            self.kept.setdefault(e.box, []).append(e)

    def _arrive(self, e: Entry, box: int, key: Key, flags: frozenset[str]) -> None:
        if key in self.rows:
            self._wrong(e, "tells of a message that is there already")
        elif key in self.arrived:
            self._wrong(e, "tells of a message that was told of before and has left")
        if box not in self.boxes:
            self._adopt_box(e)
        self.arrived.add(key)
        self.rows[key] = Row(box, flags)

    def _adopt_box(self, e: Entry) -> None:
        """The mailboxes of the first listing are there without an entry."""
        if self.settled:
            self._wrong(e, "is about a mailbox that was never told of")
        self.boxes[e.box] = e.path or ""

    def _leave(self, e: Entry, key: Key) -> None:
        old = self.reset.get(e.box, {})
        if key in self.left:
            self._wrong(e, "tells of a departure for the second time")
        if key in self.rows:
            del self.rows[key]
        elif key in old:
            del old[key]
        else:
            self._row(e, key)
            self._keep(e)
        self.left.add(key)

    def message_new(self, e: Entry) -> None:
        self._arrive(e, e.box, message_key(e.data["id"]), flag_set(e.data["flags"]))

    def message_deleted(self, e: Entry) -> None:
        self._leave(e, message_key(e.data["id"]))

    def message_updated(self, e: Entry) -> None:
        key = message_key(e.data["id"])
        change = e.data["changes"]["flags"]
        added, deleted = flag_set(change.get("added", ())), flag_set(change.get("deleted", ()))
        value, row = flag_set(change["value"]), self._row(e, key)
        if not added and not deleted:
            self._wrong(e, "changes nothing")
        if row is None:  # kept through a reset without an entry
            self.rows[key] = Row(e.box, value)
            self._keep(e)
            return
        if added & row.flags or deleted - row.flags or (row.flags | added) - deleted != value:
            self._wrong(e, f"does not follow from the flags {sorted(row.flags)}")
        row.flags = value

    def message_moved(self, e: Entry) -> None:
        """The departure is an entry of its own: before this one, or behind it if the arrival was seen first."""
        source = message_key(e.data["from"]["id"])
        self.moved_from.append((e, source))
        self._arrive(e, e.box, message_key(e.data["to"]["id"]), flag_set(e.data["flags"]))

    # --- mailboxes ---

    def mailbox_new(self, e: Entry) -> None:
        if e.box in self.boxes:
            self._wrong(e, "tells of a mailbox that is there already")
        if e.path in self.boxes.values():
            self._wrong(e, "tells of a second mailbox of that name")
        self.boxes[e.box] = e.path or ""

    def _known_box(self, e: Entry) -> None:
        if e.box not in self.boxes:
            self._adopt_box(e)

    def mailbox_deleted(self, e: Entry) -> None:
        self._known_box(e)
        self.boxes.pop(e.box, None)
        self.reset.pop(e.box, None)
        self.kept.pop(e.box, None)
        self.rows = {k: r for k, r in self.rows.items() if r.box != e.box}

    def mailbox_reset(self, e: Entry) -> None:
        self._known_box(e)
        old = self.reset.setdefault(e.box, {})
        old.update({k: r for k, r in self.rows.items() if r.box == e.box})
        self.rows = {k: r for k, r in self.rows.items() if r.box != e.box}

    def mailbox_renamed(self, e: Entry) -> None:
        """Each mailbox has an entry of its own: what is below one that was renamed may have another name of its own."""
        if e.box not in self.boxes and not self.settled:
            self.boxes[e.box] = e.data["old"]["path"]
        self._known_box(e)
        if self.boxes[e.box] != e.data["old"]["path"]:
            self._wrong(e, f"is about a mailbox that was {self.boxes[e.box]!r}")
        self.boxes[e.box] = e.data["new"]["path"]

    def account(self, e: Entry) -> None:
        pass

    def pass_by(self, hidden: set[tuple[str, int]], index: Index) -> None:
        """Messages that a moving window left behind leave without an entry, and come back so."""
        self.passed |= hidden
        for key in [k for k, r in self.rows.items() if (self.boxes.get(r.box), k[1]) in hidden]:
            del self.rows[key]
        for m in index.boxes.values():
            for uid in (u for u in m.rows if (m.path, u) in self.passed and (m.number, u) not in self.left):
                self.rows.setdefault((m.number, uid), Row(m.box, m.rows[uid]))

    # --- the end of it ---

    def differences(self, index: Index) -> list[str]:
        """How the replayed log differs from the index (I3)."""
        out = []
        for box, m in index.boxes.items():
            if box not in self.boxes and not self.settled:
                self.boxes[box] = m.path
            elif self.boxes.get(box) != m.path:
                out.append(f"log: mailbox {box} is {self.boxes.get(box)!r} by the log, {m.path!r} in the index")
        out += [f"log: mailbox {box} {path!r} is not in the index" for box, path in self.boxes.items()
                if box not in index.boxes]
        out += self._kept(index)
        dropped = self._dropped(index)
        held = {(m.number, uid): (m, flags) for m in index.boxes.values() for uid, flags in m.rows.items()}
        for key, (m, flags) in held.items():
            row = self.rows.get(key)
            if row is None:
                if m.box not in self.reset and not self._entered(key):
                    out.append(f"log: UID {key[1]} of {m.path!r} is in the index without an entry")
            elif row.flags != flags:
                out.append(f"log: UID {key[1]} of {m.path!r} has {sorted(row.flags)} by the log, {sorted(flags)} in the index")
        out += [f"log entry {e}: the message has not left where it came from" for e, key in self.moved_from
                if key in self.rows and key not in dropped]
        out += [f"log: UID {key[1]} of {self.boxes.get(row.box)!r} is not in the index"
                for key, row in self.rows.items() if key not in held and key not in dropped]
        return out

    def _kept(self, index: Index) -> list[str]:
        """A reset keeps a message without an entry if it was there before: each that was there is kept, or told of. What
        came meanwhile with an old date counts as one that was there."""
        out = []
        for box, old in self.reset.items():
            m = index.boxes.get(box)
            silent = 0 if m is None else sum((m.number, uid) not in self.rows for uid in m.rows)
            aged = 0 if m is None else len(self.aged.get(m.path, set()) & m.rows.keys())
            kept = silent + len(self.kept.get(box, ()))
            torn = sum(message_key(e.data["id"]) in self.torn for e in self.kept.get(box, ()))
            if m is not None and self.way == 0 and not kept - torn - aged <= len(old) <= kept:
                out.append(f"log: after a reset {m.path!r} has {kept} messages of before without an entry, {len(old)} "
                           "were there and are not told to be gone")
        return out

    def settle(self, index: Index) -> None:
        """Index and log agree: what a reset kept silently, or another date did, is known from here."""
        for key in self._dropped(index):
            del self.rows[key]
        self.way, self.firsts = 0, {m.number: m.first_uid for m in index.boxes.values()}
        for m in index.boxes.values():
            for uid, flags in m.rows.items():
                if (m.number, uid) not in self.rows:
                    self.adopted += 1
                    self.rows[m.number, uid] = Row(m.box, flags)
        self.reset.clear()
        self.kept.clear()
        self.moved_from.clear()
        self.settled = True


TAKE = {"messageNew": Replay.message_new, "messageDeleted": Replay.message_deleted,
        "messageUpdated": Replay.message_updated, "messageMoved": Replay.message_moved,
        "mailboxNew": Replay.mailbox_new, "mailboxDeleted": Replay.mailbox_deleted,
        "mailboxReset": Replay.mailbox_reset, "mailboxRenamed": Replay.mailbox_renamed,
        **dict.fromkeys(("accountAdded", "accountInitialized", "authenticationSuccess", "authenticationError",
                         "connectError"), Replay.account)}
