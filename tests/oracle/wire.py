"""A small IMAP client for looking at the server and changing it: one command at a time, whole replies."""
from __future__ import annotations

import base64
import re
import socket

from rig.process import HOST

LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n$")


class Refused(Exception):
    """The server said NO or BAD."""


class Gone(ConnectionError):
    """The server ended the session."""


def encode_name(path: str) -> str:
    """A mailbox name in modified UTF-7 (RFC 3501 5.1.3), quoted."""
    out, run = "", ""
    for c in path + "\0":
        if c != "\0" and not " " <= c <= "~":
            run += c
            continue
        if run:
            coded = base64.b64encode(run.encode("utf-16-be")).rstrip(b"=").decode()
            out, run = out + "&" + coded.replace("/", ",") + "-", ""
        out += "" if c == "\0" else "&-" if c == "&" else c
    return '"' + out.replace("\\", "\\\\").replace('"', '\\"') + '"'


def decode_name(name: str) -> str:
    def part(m: re.Match[str]) -> str:
        if not m[1]:
            return "&"
        coded = m[1].replace(",", "/")
        return base64.b64decode(coded + "=" * (-len(coded) % 4)).decode("utf-16-be")
    return re.sub(r"&([^-]*)-", part, name)


class Imap:
    def __init__(self, port: int, user: str, password: str) -> None:
        self.sock = socket.create_connection((HOST, port), 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self.tag, self.selected = 0, None
        self._reply()
        self.run(f"LOGIN {user} {password}")

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def _reply(self) -> bytes:
        """One response with its literals in place."""
        out = b""
        while True:
            line = self.file.readline()
            if not line.endswith(b"\n"):
                raise Gone("the mail server closed the connection")
            out += line
            size = LITERAL.search(line)
            if size is None:
                return out
            out += self.file.read(int(size[1]))

    def run(self, command: str, *literals: bytes) -> list[bytes]:
        """Sends the command, with {} where the literals go; returns the untagged responses, the tagged last."""
        self.tag += 1
        tag = b"a%d" % self.tag
        head, *rest = command.encode().split(b"{}")
        data = tag + b" " + head
        for literal, more in zip(literals, rest):
            data += b"{%d+}\r\n" % len(literal) + literal + more
        self.sock.sendall(data + b"\r\n")
        out = []
        while True:
            line = self._reply()
            out.append(line)
            if line.startswith(tag + b" "):
                if not line.startswith(tag + b" OK"):
                    raise Refused(f"{command[:120]}: {line.decode('utf-8', 'replace').strip()}")
                return out
            if line.startswith(b"* BYE"):
                raise Gone(line.decode("utf-8", "replace").strip())

    def select(self, path: str, again: bool = False) -> None:
        """Brings the session to the mailbox, with its news."""
        if self.selected != path or again:
            self.selected = None
            self.run("SELECT " + encode_name(path))
            self.selected = path
        else:
            self.run("NOOP")

    def uids(self, path: str, criteria: str = "ALL") -> list[int]:
        self.select(path)
        for line in self.run("UID SEARCH " + criteria):
            if line.startswith(b"* SEARCH"):
                return [int(n) for n in line.split()[2:]]
        return []
