"""What the mail server holds: the truth that index and log are compared with."""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from wire import Gone, Imap, Refused, decode_name, encode_name

LIST = re.compile(rb'\* LIST \(([^)]*)\) (?:"."|NIL) (.*)\r\n', re.S)
STATUS = re.compile(rb"\b(MESSAGES|UIDNEXT|UIDVALIDITY|HIGHESTMODSEQ) (\d+)")
ROW = re.compile(rb"\* \d+ FETCH \(")
UID = re.compile(rb"\bUID (\d+)")
FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
GONE = re.compile(r"does(n't| not) exist", re.I)
MESSAGE_ID = re.compile(rb"(?i)message-id:\s*(<[^>]*>)")


@dataclass
class Box:
    path: str
    uid_validity: int
    uid_next: int
    modseq: int
    rows: dict[int, frozenset[str]] = field(default_factory=dict)
    recent: set[int] = field(default_factory=set)  # UIDs of those that are young enough for syncFrom


def flag_set(names) -> frozenset[str]:
    """Flags as they are compared: without case, without what belongs to a session."""
    return frozenset(n.lower() for n in names if n.lower() != "\\recent")


def listed_paths(lines: list[bytes]) -> list[str]:
    """Mailboxes that an answer to LIST says can be selected."""
    paths = []
    for line in lines:
        m = LIST.match(line)
        if m and b"noselect" not in m[1].lower() and b"nonexistent" not in m[1].lower():
            name = re.sub(rb"^\{\d+\}\r\n", b"", m[2]).decode()
            paths.append(decode_name(name[1:-1].replace('\\"', '"') if name.startswith('"') else name))
    return paths


class Truth:
    """Reads everything of one user. ids: what it learned of (path, UIDVALIDITY, UID) -> Message-ID."""

    def __init__(self, port: int, user: str, password: str, with_modseq: bool) -> None:
        self.login = (port, user, password)
        self.with_modseq = with_modseq
        self.since: str | None = None  # a day
        self.client: Imap | None = None
        self.ids: dict[tuple[str, int, int], str] = {}
        self.commands = 0

    def paths(self) -> list[str]:
        return self._steadily(self._paths)

    def snapshot(self) -> dict[str, Box]:
        # A session of Dovecot that saw many renames can go on listing what was, for ever.
        self.close()

        def read() -> dict[str, Box]:
            # Dovecot goes on listing some deleted mailboxes that have children.
            boxes = (self._box(path) for path in self._paths())
            return {box.path: box for box in boxes if box is not None}
        return self._steadily(read)

    def _steadily(self, read):
        for attempt in range(5):
            try:
                if self.client is None:
                    self.client = Imap(*self.login)
                return read()
            except (Gone, Refused, OSError):
                # A session does not always outlive what happens to its mailbox.
                if attempt == 4:
                    raise
                self.close()
        raise AssertionError("not reached")

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
            self.client = None

    def _paths(self) -> list[str]:
        # Without RETURN, Dovecot shows a deleted mailbox with children as if it could be selected.
        return listed_paths(self.client.run('LIST "" "*" RETURN (CHILDREN)'))

    def _box(self, path: str) -> Box | None:
        c = self.client
        items = "UIDNEXT UIDVALIDITY" + (" HIGHESTMODSEQ" if self.with_modseq else "")
        try:
            c.select(path, again=True)
        except Refused as e:
            if GONE.search(str(e)):
                return None
            raise
        found = {}
        rows: dict[int, frozenset[str]] = {}
        for line in c.run("UID FETCH 1:* (UID FLAGS)"):
            if ROW.match(line) and UID.search(line):  # news of other messages come in between
                rows[int(UID.search(line)[1])] = flag_set(FLAGS.search(line)[1].decode().split())
        recent = set(c.uids(path, f"SINCE {self.since}")) if self.since else set(rows)
        c.run("UNSELECT")
        c.selected = None
        for line in c.run(f"STATUS {encode_name(path)} ({items})"):
            if line.startswith(b"* STATUS"):
                found = {k.decode(): int(v) for k, v in STATUS.findall(line[line.rindex(b"("):])}
        box = Box(path, found["UIDVALIDITY"], found["UIDNEXT"], found.get("HIGHESTMODSEQ", 0), rows, recent)
        self._learn(box)
        return box

    def _learn(self, box: Box) -> None:
        """Message-IDs of messages that were not seen before."""
        unknown = [u for u in box.rows if (box.path, box.uid_validity, u) not in self.ids]
        if not unknown:
            return
        c = self.client
        c.select(box.path, again=True)
        uids = ",".join(map(str, unknown))
        for line in c.run(f"UID FETCH {uids} (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"):
            if ROW.match(line) and b"BODY[" in line:
                m = MESSAGE_ID.search(line)
                self.ids[box.path, box.uid_validity, int(UID.search(line)[1])] = m[1].decode() if m else ""
        c.run("UNSELECT")
        c.selected = None
