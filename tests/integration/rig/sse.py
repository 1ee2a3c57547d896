"""A client of server-sent events that remembers all it was told."""
import http.client
import json
import threading

from .process import HOST, wait_until


class Event:
    def __init__(self, id, name, data):
        self.id, self.name, self.data = id, name, json.loads(data)

    def __repr__(self):
        return f"<{self.name} {self.data}>"


class Sse:
    """Connects at once; reads in the background until the server or `close` ends it."""

    def __init__(self, daemon, path, token=None, last_id=None):
        headers = {"Authorization": f"Bearer {token or daemon.token}", "Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.events, self.last_id, self.comments, self.ended = [], last_id, 0, threading.Event()
        self.connection = http.client.HTTPConnection(HOST, daemon.port, timeout=60)
        self.connection.request("GET", path, headers=headers)
        self.reply = self.connection.getresponse()
        self.status = self.reply.status
        if self.status != 200:
            self.body = self.reply.read()
            self.ended.set()
            return
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        name, data, id = "message", [], None
        try:
            for raw in self.reply:
                line = raw.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line.startswith("id: "):
                    id = line[4:]
                elif line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data:"):
                    data.append(line[5:].lstrip())
                elif line == "":
                    if data:
                        self.events.append(Event(id, name, "\n".join(data)))
                    self.last_id = id or self.last_id
                    name, data = "message", []
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # cut off, as the tests want it
        self.ended.set()

    def ready(self):
        """Waits until it knows where it stands: nothing told later can be missed."""
        wait_until(lambda: self.last_id is not None, 10, "a position")
        return self

    def wait(self, count, name=None, seconds=20):
        def look():
            found = [e for e in self.events if name in (None, e.name)]
            return found if len(found) >= count else None
        try:
            return wait_until(look, seconds, f"{count} events {name}", pause=0.02)
        except AssertionError as e:
            raise AssertionError(f"{e}; got {self.events[-20:]}") from None

    def close(self):
        if self.connection.sock:
            self.connection.sock.shutdown(2)
        self.connection.close()
        self.ended.wait(5)
