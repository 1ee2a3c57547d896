"""Child processes, free ports and waiting."""
import contextlib
import os
import random
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"


def free_port():
    """Below the ports that systems give to connections and to listeners that do not care, since others would have
    taken one of those before it is used."""
    while True:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((HOST, random.randrange(10000, 32000)))
            return s.getsockname()[1]


def wait_until(check, seconds=10, what="it", pause=0.02):
    """Calls check until it returns something true, which is returned. Fails after the time."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds} s; last look: {value!r}")
        time.sleep(pause)


def port_answers(port):
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False


def descendants(pid):
    """Processes that this one started, directly or not."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                parents[int(name)] = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        children = [p for p, its in parents.items() if its == parent]
        found += children
        todo += children
    return found


class Process:
    """A child in its own session with its output in a file."""

    def __init__(self, argv, log, env=None, cwd=None):
        self.log_path = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                          env={**os.environ, **(env or {})}, cwd=cwd,
                                          start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def output(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def stop(self, seconds=15):
        """SIGTERM, then the exit status; a process that stays is killed and reported."""
        if self.running():
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"process {self.pid} ignored SIGTERM for {seconds} s:\n"
                                 + self.output()[-4000:]) from None

    def kill(self):
        if self.running():
            self.child.kill()
        return self.child.wait(10)

    def wait_port(self, port, seconds=20):
        def look():
            if not self.running():
                raise AssertionError(f"{self.child.args[0]} ended:\n{self.output()[-4000:]}")
            return port_answers(port)
        wait_until(look, seconds, f"listening on port {port}")
