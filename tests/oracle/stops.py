"""Ends at every moment: accounts are deleted, reconnected and flushed, the daemon is stopped, some milliseconds after
they began. Whatever was on its way then may neither touch what is gone nor be left behind: the sanitizers tell."""
from __future__ import annotations

import os
import random
import time

from rig.certs import Authority
from rig.consumer import Consumer
from rig.daemon import Daemon
from rig.process import HOST
from rig.redis import Redis

from fakemail import FakeMail, Mailbox
from world import LONG_AGO, settings

KINDS = ("IMAP4rev1 IDLE ENABLE CONDSTORE QRESYNC UIDPLUS LIST-EXTENDED LIST-STATUS NAMESPACE ID ESEARCH",
         "IMAP4rev1 IDLE CONDSTORE UIDPLUS LIST-EXTENDED LIST-STATUS NAMESPACE",
         "IMAP4rev1 IDLE UIDPLUS NAMESPACE")
NAMES = ("INBOX", "Work", "Lists", "Archive", "Sent")
MESSAGES = 30
STOPS = 200  # of accounts
RESTARTS = 8  # of the daemon, with all accounts
ACCOUNTS = 6  # that stay
DELAY = (0.0, 0.08)  # seconds


class Stops:
    def __init__(self, directory: str, rng: random.Random) -> None:
        self.rng, self.stopped = rng, 0
        self.servers = [self._server(capability) for capability in KINDS]
        self.redis, self.consumer = Redis(directory), Consumer()
        self.daemon = Daemon(os.path.join(directory, "d"), self.redis.url, Authority(os.path.join(directory, "ca")).file,
                             **{**settings(7), "log_level": "info"})

    def _server(self, capability: str) -> FakeMail:
        server = FakeMail(capability)
        for n, name in enumerate(NAMES):
            server.boxes[name] = Mailbox(1000 + n)
            server.boxes[name].add(MESSAGES)
        return server

    def run(self) -> None:
        self.redis.start()
        self.daemon.start()
        self.daemon.hooks(self.consumer.url)
        for n in range(STOPS):
            self._account(f"stop{n}")
            self._pause()
            self._end(f"stop{n}")
            self.stopped += 1
            if n % 10 == 0:
                self._change()
        for n in range(ACCOUNTS):
            self._account(f"stay{n}")
        for _ in range(RESTARTS):
            self._pause()
            self._change()
            status = self.daemon.stop()
            assert status == 0, f"the daemon ended with {status}:\n{self.daemon.log()[-6000:]}"
            self.daemon.start()
            self.stopped += ACCOUNTS

    def _pause(self) -> None:
        time.sleep(self.rng.uniform(*DELAY))

    def _account(self, name: str) -> None:
        port = self.rng.choice(self.servers).port
        self.daemon.post("/v1/account", {"account": name, "name": name, "notifyFrom": LONG_AGO,
                                         "subconnections": ["Work"], "imap": {
            "auth": {"user": "u", "pass": "p"}, "host": HOST, "port": port, "secure": False}})

    def _end(self, name: str) -> None:
        """Most are deleted at once; others go through one more beginning before."""
        how = self.rng.random()
        if how < 0.2:
            self.daemon.put(f"/v1/account/{name}/reconnect", {"reconnect": True})
            self._pause()
        elif how < 0.3:
            self.daemon.put(f"/v1/account/{name}/sync", {"sync": True})
            self._pause()
        elif how < 0.4:
            self.rng.choice(self.servers).fake.cut()
        self.daemon.delete(f"/v1/account/{name}")

    def _change(self) -> None:
        """So that there is something to do."""
        for server in self.servers:
            with server.lock:
                box = server.boxes[self.rng.choice(NAMES)]
                box.add(3)
                box.remove(box.messages[self.rng.randrange(len(box.messages))].uid)
                box.flag(box.messages[-1].uid, "\\Flagged")

    def summary(self) -> str:
        return f": {self.stopped} ends of accounts"

    def report(self) -> str:
        return ""

    def stop(self) -> None:
        try:
            self.daemon.end()
        finally:
            for server in self.servers:
                server.close()
            self.consumer.close()
            self.redis.stop()
