"""A proxy in front of a plain IMAP server that writes down what goes through it."""
import collections
import re
import socket
import threading
import time

from .process import HOST

AUTHENTICATED = re.compile(rb"^(\S+) (?:AUTHENTICATE|LOGIN) ", re.I | re.M)


class Connection:
    """flights: [(from the client?, bytes, time)], pieces of one direction joined."""

    def __init__(self):
        self.flights, self.lock, self.open = [], threading.Lock(), True

    def note(self, client, data):
        with self.lock:
            if self.flights and self.flights[-1][0] == client:
                self.flights[-1][1] += data
            else:
                self.flights.append([client, data, time.monotonic()])

    def text(self, client):
        with self.lock:
            return b"".join(data for who, data, _ in self.flights if who == client)

    def after_login(self):
        """Flights behind the one that ends with the answer to the credentials, which may follow a prompt."""
        with self.lock:
            for i, (client, data, _) in enumerate(self.flights):
                said = AUTHENTICATED.search(data) if client else None
                if said is not None:
                    answer = re.compile(rb"^%s (?:OK|NO|BAD)" % re.escape(said.group(1)), re.I | re.M)
                    return [tuple(f) for f in self.flights[self._behind(i, answer):]]
            return []

    def _behind(self, first, answer):
        """The flight that follows the one from the server with this answer."""
        return next((i + 1 for i, (client, data, _) in enumerate(self.flights)
                     if i > first and not client and answer.search(data)), len(self.flights))


class Tap:
    def __init__(self, port, delay=0, alter=lambda client, data: data):
        """port: of the server, on this host. delay: seconds that the server's bytes take; what the client
        sends meanwhile it has sent without waiting for them. alter(from the client?, bytes): what passes
        instead."""
        self.target, self.delay, self.alter, self.connections = port, delay, alter, []
        self.listener = socket.create_server((HOST, 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection((HOST, self.target), 10)
                server.settimeout(None)
            except OSError:
                return
            connection = Connection()
            self.connections.append(connection)
            for pair in ((client, server, True), (server, client, False)):
                pair[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._copy, args=(*pair, connection), daemon=True).start()

    def _copy(self, source, sink, is_client, connection):
        try:
            while data := source.recv(65536):
                if not is_client:
                    time.sleep(self.delay)
                connection.note(is_client, data)
                sink.sendall(self.alter(is_client, data))
        except OSError:
            pass
        connection.open = False
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def commands(self):
        """How often each command was sent; the first word behind its name counts as part of it."""
        lines = [line for c in list(self.connections) for line in c.text(True).split(b"\r\n")]
        return collections.Counter(b" ".join(line.split(b" ")[1:3]).upper() for line in lines if b" " in line)

    def close(self):
        self.listener.close()
