"""Index and change log as the store holds them, read beside the daemon by index_dump."""
from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field

from truth import flag_set


class NotNow(Exception):
    """The store cannot be read at the moment: Redis is down, or a commit was faster."""


@dataclass
class IndexBox:
    box: int
    number: int
    path: str
    phase: str
    epoch: int
    uid_validity: int
    last_uid: int
    uid_next: int
    modseq: int
    exists: int
    count: int
    no_select: bool
    first_uid: int  # 0: all of the mailbox is indexed
    since_day: int
    rows: dict[int, frozenset[str]]


@dataclass
class Entry:
    """One entry of the log."""
    entry: str
    id: str
    type: str
    box: int
    uid: int
    path: str | None
    data: dict

    def __str__(self) -> str:
        return f"{self.entry} {self.type} box={self.box} uid={self.uid} {self.path!r} {json.dumps(self.data)} id={self.id}"


@dataclass
class Index:
    state: dict = field(default_factory=dict)
    boxes: dict[int, IndexBox] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)


def entry_key(entry: str) -> tuple[int, ...]:
    return tuple(int(n) for n in entry.split("-"))


class Dump:
    def __init__(self, program: str, url: str, key_file: str, account: str, log: str) -> None:
        self.argv, self.log = [program, url, key_file, account], log
        self.child: subprocess.Popen | None = None

    def close(self) -> None:
        if self.child is not None:
            self.child.stdin.close()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(5)
            self.child.stdout.close()
            self.child = None

    def read(self, after: str = "") -> Index:
        """Everything, of the log what comes behind an entry."""
        if self.child is None:
            with open(self.log, "ab") as err:
                self.child = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err,
                                              start_new_session=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        try:
            self.child.stdin.write(after.encode() + b"\n")
            self.child.stdin.flush()
        except OSError:
            self.close()
            raise NotNow("index_dump ended") from None
        return self._answer()

    def _answer(self) -> Index:
        out = Index()
        for line in self.child.stdout:
            item = json.loads(line)
            kind = item.pop("kind")
            if kind == "end":
                return out
            if kind == "error":
                raise NotNow(item["message"])
            TAKE[kind](out, item)
        self.close()
        raise NotNow("index_dump ended")


def _take_mailbox(out: Index, m: dict) -> None:
    if m["phase"] == "gone":  # a name of which nobody is told
        return
    out.boxes[m["box"]] = IndexBox(
        m["box"], m["number"], m["path"], m["phase"], m["epoch"], m["uidValidity"], m["lastUid"], m["uidNext"],
        m["modseq"], m["exists"], m["count"], m["noSelect"], m["firstUid"],
        m["sinceDay"], {uid: flag_set(flags) for uid, flags, _ in m["rows"]})


def _take_entry(out: Index, e: dict) -> None:
    assert e.pop("readable"), f"a damaged log entry: {e}"
    out.entries.append(Entry(e["entry"], e["id"], e["type"], e["box"], e["uid"], e.get("path"), e.get("data") or {}))


def _take_gap(out: Index, item: dict) -> None:
    raise AssertionError("entries of the log were trimmed")


TAKE = {"account": lambda out, m: out.state.update(m["state"]), "mailbox": _take_mailbox, "entry": _take_entry,
        "cursor": lambda out, m: out.cursors.update({m["reader"]: m["entry"]}), "gap": _take_gap}
