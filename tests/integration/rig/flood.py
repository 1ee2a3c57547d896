"""IMAP servers that say too much, in a process of their own: they keep a core busy.

python3 -m rig.flood KIND prints its port and serves until it is killed."""
import os
import random
import subprocess
import sys
import time

from .fake import Fake
from .imap import Imap
from .process import HOST


def shuffled(count, form):
    """Ranges that cannot be merged, in no order."""
    numbers = list(range(1, 3 * count, 3))
    random.Random(1).shuffle(numbers)
    return b",".join(form % n for n in numbers)


def after_select(data, again=True):
    """Once INBOX is in order, this is said in IDLE, forever or once."""
    def instead(server, command, tag, rest, s):
        if command != b"IDLE":
            return False
        s.sendall(b"+ idling\r\n" + data)
        while again:
            s.sendall(data)
        return False
    return instead


def answers(name, data):
    def instead(server, command, tag, rest, s):
        if command != name:
            return False
        s.sendall(data + tag + b" OK done\r\n")
        return True
    return instead


def endless_line(server, command, tag, rest, s):
    while command == b"LIST":
        s.sendall(b"* LIST (" + b"x" * 65536)


MILLION = 1000 * 1000
KINDS = {
    "untagged lines": lambda: after_select(b"* 3 EXISTS\r\n* OK still here\r\n" * 4000),
    "rows": lambda: after_select(b"".join(b"* %d FETCH (UID %d FLAGS (\\Seen))\r\n" % (i % 3 + 1, i % 3 + 1) for i in range(4000))),
    "expunges": lambda: after_select(b"* 1 EXPUNGE\r\n* 3 EXISTS\r\n" * 4000),
    "a million vanished": lambda: after_select(b"* VANISHED " + shuffled(MILLION, b"%d") + b"\r\n", again=False),
    "a million vanished again and again": lambda: after_select(b"* VANISHED " + shuffled(MILLION, b"%d") + b"\r\n"),
    "everything vanished": lambda: after_select(b"* VANISHED 1:4294967295\r\n" * 1000),
    "a million found": lambda: answers(b"UID SEARCH", b"* SEARCH " + shuffled(MILLION, b"%d").replace(b",", b" ") + b"\r\n"),
    "a line without end": lambda: endless_line,
    "fifty megabytes in a line": lambda: after_select(b"* 1 FETCH (X " + b"y" * 50 * MILLION + b")\r\n", again=False),
    "parentheses": lambda: after_select(b"* 1 FETCH (X " + b"(" * 100000 + b")" * 100000 + b")\r\n"),
    "a hundred thousand mailboxes": lambda: answers(
        b"LIST", b'* LIST () "/" INBOX\r\n' + b"".join(b'* LIST () "/" b%d\r\n' % i for i in range(100000))),
}


class Flood:
    """The server of that kind; close() ends it."""

    def __init__(self, kind):
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.child = subprocess.Popen([sys.executable, "-m", "rig.flood", kind], cwd=root, stdout=subprocess.PIPE)
        self.host, self.port = HOST, int(self.child.stdout.readline())

    def close(self):
        self.child.kill()
        self.child.wait(10)
        self.child.stdout.close()


def main(kind):
    server = Fake(Imap(KINDS[kind]()))
    print(server.port, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1])
