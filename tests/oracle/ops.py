"""Random changes to the mailboxes of the user, the way mail servers and mail programs make them."""
from __future__ import annotations

import random
import smtplib
from collections.abc import Callable
from dataclasses import dataclass

from rig.process import HOST

from since import DATES, OLD_DATES
from wire import Gone, Imap, Refused, encode_name
from world import USER, World

NAMES = ("Projects", "Projects/Alpha", "Projects/Größe", "Later", "Lists & more", "Archive/2024", "Archive/2025",
         "Übersicht", "x", "Deep/er/still")
FIXED = ("INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive")
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
KEYWORDS = ("$Work", "Later", "$Forwarded", "NonJunk", "k1", "k2", "k3")
ROWS_MAX = 500  # a mailbox that reaches it is thinned out
# Without CONDSTORE a pass sees the flags of the newest 200 messages, and only when there is a pass.
ROWS_MAX_PLAIN = 120


@dataclass(frozen=True)
class Kind:
    weight: int
    run: Callable[["Ops"], str | None]


class Ops:
    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.imap: Imap | None = None
        self.lmtp: smtplib.LMTP | None = None
        self.serial = 0
        self.counts: dict[str, int] = {}
        self.boxes = list(FIXED)
        self.rows_max = ROWS_MAX if world.mode.modseq else ROWS_MAX_PLAIN
        self.old = 0.7  # of appended messages, with --since
        self.flagged: set[str] = set()  # mailboxes whose flags changed since the last knock

    def close(self) -> None:
        if self.imap is not None:
            self.imap.close()
        if self.lmtp is not None:
            self.lmtp.close()

    def step(self) -> str:
        """One operation; tells what it did."""
        while True:
            name = self.rng.choices(list(KINDS), [k.weight for k in KINDS.values()])[0]
            try:
                if self.imap is None:
                    self.imap = self.world.client()
                did = KINDS[name].run(self)
            except Gone as e:
                # The server ends sessions whose mailbox was replaced. What was asked for may have happened.
                self.imap.close()
                self.imap, did = None, f"session ended: {e}"
                self._look_again()
            except Refused as e:
                did = f"refused: {e}"
                self._look_again()
            if did is not None:
                self.counts[name] = self.counts.get(name, 0) + 1
                return f"{name}: {did}"

    def _look_again(self) -> None:
        """Which mailboxes there are, after an operation of which that is not certain."""
        self.boxes = sorted(self.world.truth.paths())

    # --- parts ---

    def message(self) -> bytes:
        self.serial += 1
        body = "word " * self.rng.randrange(1, 60)
        return (f"From: Ann Sender <ann@example.com>\r\nTo: {USER}@example.com\r\nSubject: Number {self.serial}\r\n"
                f"Message-ID: <n{self.serial}@example.com>\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n{body}\r\n").encode()

    def _box(self) -> str:
        return "INBOX" if self.rng.random() < 0.35 else self.rng.choice(self.boxes)

    def _free(self) -> list[str]:
        return [n for n in self.boxes if n not in FIXED]

    def _leaves(self) -> list[str]:
        """Mailboxes whose name becomes free when they are deleted: that of a parent stays listed."""
        return [n for n in self._free() if not any(b.startswith(n + "/") for b in self.boxes)]

    def _some(self, path: str) -> list[int]:
        """UIDs of a mailbox: one, a few, a block, rarely all."""
        uids = self.imap.uids(path)
        if not uids:
            return []
        at = self.rng.randrange(len(uids))
        pick = self.rng.random()
        if pick < 0.45:
            return [uids[at]]
        if pick < 0.7:
            return sorted(self.rng.sample(uids, min(len(uids), self.rng.randrange(1, 8))))
        if pick < 0.97:
            return uids[at:at + self.rng.randrange(1, 25)]
        return uids

    def _pick(self) -> tuple[str, list[int], str] | None:
        path = self._box()
        uids = self._some(path)
        if not uids:
            return None
        self.flagged.add(path)
        return path, uids, ",".join(map(str, uids))

    def _flag_list(self) -> str:
        chosen = [f for f in FLAGS + KEYWORDS if self.rng.random() < 0.2]
        return "(" + " ".join(chosen) + ")"

    def _date(self) -> str:
        """With --since many messages are old, first of all those that are there before the account."""
        old = self.world.since and self.rng.random() < self.old
        return self.rng.choice(OLD_DATES) + " " if old else ""

    # --- messages ---

    def deliver(self) -> str:
        data = self.message()
        for attempt in range(2):
            try:
                if self.lmtp is None:
                    self.lmtp = smtplib.LMTP(HOST, self.world.mail.lmtp, timeout=20)
                refused = self.lmtp.sendmail("sender@example.com", [f"{USER}@example.com"], data, mail_options=[])
                assert not refused, refused
                break
            except smtplib.SMTPServerDisconnected:
                self.lmtp = None
                assert attempt == 0, "LMTP does not answer"
        return f"n{self.serial}"

    def append(self) -> str:
        path = self._box()
        date = self._date()
        self.imap.run(f"APPEND {encode_name(path)} {self._flag_list()} {date}{{}}", self.message())
        return f"n{self.serial} to {path} {date}".rstrip()

    def burst(self) -> str:
        path = self._box()
        count = self.rng.choice((5, 20, 60, 150) if self.world.mode.modseq else (5, 20))
        first = self.serial + 1
        for at in range(0, count, 30):
            batch = [self.message() for _ in range(min(30, count - at))]
            self.imap.run(f"APPEND {encode_name(path)}" + "".join(f" () {self._date()}{{}}" for _ in batch), *batch)
        return f"n{first} to n{self.serial} to {path}"

    def flag(self) -> str | None:
        picked = self._pick()
        if picked is None:
            return None
        path, uids, text = picked
        sign = self.rng.choice(("+", "-", "+", ""))
        change = f"{sign}FLAGS.SILENT ({self.rng.choice(FLAGS)})"
        self.imap.run(f"UID STORE {text} {change}")
        return f"{change} {path} {text}"

    def keyword(self) -> str | None:
        picked = self._pick()
        if picked is None:
            return None
        path, uids, text = picked
        change = f"{self.rng.choice('+-')}FLAGS.SILENT ({' '.join(self.rng.sample(KEYWORDS, self.rng.randrange(1, 3)))})"
        self.imap.run(f"UID STORE {text} {change}")
        return f"{change} {path} {text}"

    def expunge(self) -> str | None:
        picked = self._pick()
        if picked is None:
            return None
        path, uids, text = picked
        self.imap.run(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
        self.imap.run("EXPUNGE" if self.rng.random() < 0.3 else f"UID EXPUNGE {text}")
        return f"{path} {text}"

    def _transfer(self, verb: str) -> str | None:
        picked = self._pick()
        target = self._box()
        if picked is None or target == picked[0] and verb == "MOVE":
            return None
        path, uids, text = picked
        if verb == "COPY" and len(uids) > 40:
            return None
        self.imap.run(f"UID {verb} {text} {encode_name(target)}")
        return f"{path} {text} to {target}"

    def move(self) -> str | None:
        return self._transfer("MOVE")

    def copy(self) -> str | None:
        return self._transfer("COPY")

    def thin(self) -> str | None:
        """Keeps mailboxes from growing for ever: half of a large one goes."""
        for path in self.rng.sample(self.boxes, len(self.boxes)):
            uids = self.imap.uids(path)
            if len(uids) > self.rows_max:
                text = ",".join(map(str, self.rng.sample(uids, len(uids) // 2)))
                self.imap.run(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
                self.imap.run(f"UID EXPUNGE {text}")
                return f"{path} {text}"
        return None

    def knock(self) -> list[str]:
        """Brings about a pass over mailboxes where only flags changed: without CONDSTORE no server tells of that,
        and the daemon looks by itself only now and then."""
        paths = [] if self.world.mode.modseq else sorted(self.flagged & set(self.boxes))
        self.flagged.clear()
        for path in paths:
            self.imap = self.imap or self.world.client()
            while len(uids := self.imap.uids(path)) > 150:
                self.imap.run(f"UID STORE {uids[0]}:{uids[99]} +FLAGS.SILENT (\\Deleted)")
                self.imap.run(f"UID EXPUNGE {uids[0]}:{uids[99]}")
            self.imap.run(f"APPEND {encode_name(path)} {{}}", self.message())
        return paths

    def since(self) -> str | None:
        """Another syncFrom, or none, or one again."""
        sync_from = self.world.sync_from
        if sync_from is None or sync_from.way != 0:
            return None
        date = self.rng.choice([d for d in DATES if d != sync_from.date])
        sync_from.move(date)
        return f"{date}" + ("" if sync_from.told else ", not answered")

    # --- mailboxes ---

    def _leave(self) -> None:
        if self.imap.selected is not None:
            self.imap.run("UNSELECT")
            self.imap.selected = None

    def create(self) -> str | None:
        free = [n for n in NAMES if n not in self.boxes]
        if not free:
            return None
        name = self.rng.choice(free)
        self.imap.run("CREATE " + encode_name(name))
        self.boxes.append(name)
        return name

    def rename(self) -> str | None:
        free = [n for n in NAMES if n not in self.boxes and not any(b.startswith(n + "/") for b in self.boxes)]
        if not free or not self._free():
            return None
        old, new = self.rng.choice(self._free()), self.rng.choice(free)
        if new.startswith(old + "/"):
            return None
        self._leave()
        self.imap.run(f"RENAME {encode_name(old)} {encode_name(new)}")
        def renamed(name: str) -> str:
            return new + name[len(old):] if name == old or name.startswith(old + "/") else name
        self.boxes = [renamed(b) for b in self.boxes]
        self.flagged = {renamed(b) for b in self.flagged}
        return f"{old} to {new}"

    def delete(self) -> str | None:
        if not self._free():
            return None
        name = self.rng.choice(self._free())
        self._leave()
        self.imap.run("DELETE " + encode_name(name))
        self.boxes.remove(name)
        return name

    def recreate(self) -> str | None:
        if not self._free():
            return None
        name = self.rng.choice(self._free())
        self._leave()
        self.imap.run("DELETE " + encode_name(name))
        self.imap.run("CREATE " + encode_name(name))
        for _ in range(self.rng.randrange(4)):
            self.imap.run(f"APPEND {encode_name(name)} {self._flag_list()} {{}}", self.message())
        return name

    def reset(self) -> str | None:
        """The same messages with the same UIDs under another UIDVALIDITY."""
        if self.world.mode.cyrus:
            return None  # has no command for that
        name = self.rng.choice(self.boxes)
        self._leave()
        value = self.rng.randrange(1, 2 ** 31)
        try:
            self.world.doveadm("mailbox", "update", "-u", USER, "--uid-validity", str(value), name)
        except AssertionError as e:
            if "doesn't exist" not in str(e):
                raise
            return None  # Dovecot has not noticed everywhere yet that it is there again
        # Dovecot rebuilds its index at the next look, and two at once are more than it can take.
        self.imap.uids(name, "ANSWERED")
        self._leave()
        return f"{name} UIDVALIDITY {value}"

    def restore(self) -> str | None:
        """A copy takes the place of a mailbox: other UIDs under another UIDVALIDITY."""
        if not self._leaves():
            return None
        name = self.rng.choice(self._leaves())
        self.imap.run("CREATE restored")
        if self.imap.uids(name):
            self.imap.run("UID COPY 1:* restored")
        self._leave()
        self.imap.run("DELETE " + encode_name(name))
        self.imap.run(f"RENAME restored {encode_name(name)}")
        return name


KINDS = {
    "deliver": Kind(22, Ops.deliver), "append": Kind(10, Ops.append), "burst": Kind(1, Ops.burst),
    "flag": Kind(18, Ops.flag), "keyword": Kind(9, Ops.keyword), "expunge": Kind(12, Ops.expunge),
    "move": Kind(9, Ops.move), "copy": Kind(6, Ops.copy), "thin": Kind(2, Ops.thin), "create": Kind(3, Ops.create),
    "rename": Kind(2, Ops.rename), "delete": Kind(2, Ops.delete), "recreate": Kind(1, Ops.recreate),
    "reset": Kind(1, Ops.reset), "restore": Kind(1, Ops.restore), "since": Kind(4, Ops.since),
}
