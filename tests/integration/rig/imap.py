"""An IMAP server that follows the protocol except where a test has it do otherwise."""
import re
import threading
import time

COMMAND = re.compile(rb"(\S+) (UID )?(\S+) ?(.*)", re.I)


class Imap:
    """For Fake. instead(server, command, tag, rest, socket): true if it answered itself."""

    def __init__(self, instead=lambda *args: False, boxes=("INBOX", "Other"), messages=3):
        self.instead, self.boxes, self.messages, self.commands = instead, boxes, messages, []

    def __call__(self, s):
        s.sendall(b"* OK ready\r\n")
        lines, idle = s.makefile("rb"), None
        for line in iter(lines.readline, b""):
            if idle is not None:
                s.sendall(idle + b" OK done\r\n")
                idle = None
                continue
            tag, uid, name, rest = COMMAND.match(line.rstrip()).groups()
            command = ((uid or b"") + name).upper()
            self.commands.append(command)
            if self.instead(self, command, tag, rest, s):
                continue
            if command == b"IDLE":
                s.sendall(b"+ idling\r\n")
                idle = tag
                continue
            s.sendall(self.answer(command, rest) + tag + b" OK done\r\n")

    def answer(self, command, rest):
        n = self.messages
        if command in (b"LOGIN", b"AUTHENTICATE", b"CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1 IDLE UIDPLUS\r\n"
        if command == b"LIST":
            return b"".join(b'* LIST () "/" %s\r\n' % box.encode() for box in self.boxes)
        if command == b"STATUS":
            return b"* STATUS %s (MESSAGES %d UIDNEXT %d UIDVALIDITY 1)\r\n" % (rest.split(b" ")[0], n, n + 1)
        if command == b"SELECT":
            return (b"* FLAGS (\\Seen)\r\n* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n"
                    b"* OK [UIDNEXT %d] x\r\n" % (n, n + 1))
        if command in (b"FETCH", b"UID FETCH"):
            return b"".join(self.row(i) for i in range(1, n + 1))
        if command == b"UID SEARCH":
            return b"* SEARCH " + b" ".join(b"%d" % i for i in range(1, n + 1)) + b"\r\n"
        return b""

    def date(self):
        return b"14-Nov-2023 22:13:20 +0000"

    def row(self, i):
        return (b'* %d FETCH (UID %d FLAGS () INTERNALDATE "%s" RFC822.SIZE 50 '
                b'ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL NIL "<%d@example.com>") '
                b'BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL NIL NIL))\r\n' % (i, i, self.date(), i))


class Neighbour(Imap):
    """Has a new message whenever the test says so."""

    def __init__(self):
        super().__init__(instead=self._instead)
        self.idle, self.sockets = threading.Event(), []

    def _instead(self, server, command, tag, rest, s):
        if command == b"IDLE":
            s.sendall(b"+ idling\r\n")
            self.sockets.append(s)
            self.idle.set()
            if s.recv(100).startswith(b"DONE"):
                s.sendall(tag + b" OK done\r\n")
            return True
        return False

    def date(self):
        """Mail that looks older is told of later: it may have been moved here."""
        return time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime()).encode()

    def deliver(self):
        """Returns the time at which it was told."""
        assert self.idle.wait(10)
        self.idle.clear()
        self.messages += 1
        at = time.time()
        self.sockets[-1].sendall(b"* %d EXISTS\r\n" % self.messages)
        return at
