"""Servers that misbehave in one way each."""
import socket
import threading

from .process import HOST


class Fake:
    """Accepts connections; speak(socket) runs for each in a thread of its own."""

    def __init__(self, speak):
        self.speak, self.accepted, self.open = speak, 0, []
        self.listener = socket.socket()
        self.listener.bind((HOST, 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.append(s)
            threading.Thread(target=self._run, args=(s,), daemon=True).start()

    def _run(self, s):
        try:
            self.speak(s)
        except OSError:
            pass

    def cut(self):
        """Ends all connections."""
        for s in list(self.open):
            end(s)

    def close(self):
        for s in (self.listener, *self.open):
            end(s)


def end(s):
    # shutdown wakes a thread that waits in accept or recv; close alone does not.
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()


def says(data):
    """Sends data to whoever connects and waits until it leaves."""
    def speak(s):
        s.sendall(data)
        while s.recv(4096):
            pass
    return speak


def stalls(s):
    while s.recv(4096):
        pass


def hangs_up(s):
    s.close()
