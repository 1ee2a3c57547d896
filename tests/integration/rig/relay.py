"""A relay in front of a TLS server that sees which connections resumed a session.

The ServerHello of TLS 1.3 is readable: it names the pre-shared key exactly if the server
accepted the ticket the client offered."""
import contextlib
import random
import selectors
import socket
import threading

from .process import HOST

PRE_SHARED_KEY = 41
HELLO_LIMIT = 4096


def resumed(start):
    """Whether the server's first bytes accept a session; None while too few are there."""
    if len(start) < 5 or len(start) < 5 + int.from_bytes(start[3:5], "big"):
        return None if len(start) < HELLO_LIMIT else False
    if start[0] != 22 or start[5] != 2:
        return False
    at = 5 + 4 + 2 + 32
    at += 1 + start[at] + 2 + 1
    end = at + 2 + int.from_bytes(start[at:at + 2], "big")
    at += 2
    while at + 4 <= end:
        if int.from_bytes(start[at:at + 2], "big") == PRE_SHARED_KEY:
            return True
        at += 4 + int.from_bytes(start[at + 2:at + 4], "big")
    return False


class Pair:
    def __init__(self, client, server):
        self.client, self.server, self.start, self.resumed = client, server, b"", None

    def other(self, sock):
        return self.server if sock is self.client else self.client


class Relay:
    def __init__(self, port):
        """port: of the server, on this host."""
        self.target, self.pairs = port, set()
        self.selector, self.stopping = selectors.DefaultSelector(), False
        self.listener = socket.create_server((HOST, 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def count(self):
        """(open connections, those of them that resumed a session)"""
        pairs = list(self.pairs)
        return len(pairs), sum(1 for p in pairs if p.resumed)

    def cut(self):
        """Breaks one connection, chosen at random; False if there is none."""
        pairs = list(self.pairs)
        if pairs:
            with contextlib.suppress(OSError):
                random.choice(pairs).server.shutdown(socket.SHUT_RDWR)
        return bool(pairs)

    def close(self):
        self.stopping = True
        self.thread.join(5)
        for pair in list(self.pairs):
            self._drop(pair)
        self.listener.close()
        self.selector.close()

    def _run(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.2):
                if key.data is None:
                    self._accept()
                elif key.data in self.pairs:
                    self._move(key.data, key.fileobj)

    def _accept(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection((HOST, self.target), 10)
        except OSError:
            client.close()
            return
        pair = Pair(client, server)
        self.pairs.add(pair)
        for sock in (client, server):
            sock.settimeout(10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(sock, selectors.EVENT_READ, pair)

    def _move(self, pair, sock):
        try:
            data = sock.recv(65536)
            if data:
                pair.other(sock).sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(pair)
        elif sock is pair.server and pair.resumed is None:
            pair.start += data
            pair.resumed = resumed(pair.start)

    def _drop(self, pair):
        self.pairs.discard(pair)
        for sock in (pair.client, pair.server):
            self.selector.unregister(sock)
            sock.close()
