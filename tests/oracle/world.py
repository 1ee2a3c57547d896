"""The servers of one run: Dovecot or Cyrus behind the proxy, Redis, the daemon, a webhook consumer."""
from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from rig.certs import Authority
from rig.consumer import Consumer
from rig.daemon import BINARY, Daemon
from rig.dovecot import PASSWORD, Dovecot
from rig.process import HOST, wait_until
from rig.redis import Redis

from cyrus import Cyrus
from index import Dump
from proxy import Proxy
from since import FIRST_DATE, Since
from truth import Truth
from wire import Imap

USER = "oracle"
LONG_AGO = "2001-01-01T00:00:00.000Z"  # so that every message is news, whatever its date
LISTED_SECONDS = 20  # of the resyncDelay: below the patience of a quiescent point
BASE = ("IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ MULTIAPPEND CATENATE UNSELECT CHILDREN NAMESPACE "
        "UIDPLUS LIST-EXTENDED WITHIN SEARCHRES ESEARCH BINARY MOVE LIST-STATUS SPECIAL-USE")
BARE = "IMAP4rev1 LITERAL+ UNSELECT CHILDREN NAMESPACE"


@dataclass(frozen=True)
class Mode:
    """Which extensions the server shows, and words that a client may not send then."""
    capability: str | None
    forbidden: tuple[bytes, ...]
    modseq: bool
    cyrus: bool = False
    since: bool = False  # as with --since


MODES = {
    "qresync": Mode(None, (), True),
    "condstore": Mode(BASE + " CONDSTORE", (b"QRESYNC", b"VANISHED", b"NOTIFY"), True),
    "since": Mode(BASE + " CONDSTORE", (b"QRESYNC", b"VANISHED", b"NOTIFY"), True, since=True),
    "plain": Mode(BASE, (b"QRESYNC", b"VANISHED", b"NOTIFY", b"CONDSTORE", b"CHANGEDSINCE", b"MODSEQ"), False),
    "bare": Mode(BARE, (b"QRESYNC", b"VANISHED", b"NOTIFY", b"CONDSTORE", b"CHANGEDSINCE", b"MODSEQ", b" IDLE\r\n",
                        b" RETURN (", b" MOVE ", b"ENABLE"), False),
    "cyrus": Mode(None, (b"NOTIFY",), True, cyrus=True),
}


def settings(batch: int) -> dict[str, object]:
    """Timers short enough for a test."""
    return {"webhook_retry_first_ms": 50, "webhook_retry_max_ms": 400, "sync_poll_interval_s": 1,
            "sync_delete_confirm_s": 1, "sync_resets_per_day": 1000000, "sync_flags_refresh_s": 1, "sync_batch_messages": batch, "log_level": "debug"}


def dump_program() -> str:
    return os.environ.get("ORACLE_DUMP") or os.path.join(os.path.dirname(BINARY), "tests", "oracle", "index_dump")


class World:
    def __init__(self, directory: str, mode: Mode, fsync: str, batch: int, since: bool) -> None:
        self.dir, self.mode, self.since = directory, mode, since or mode.since
        masked = f"imap_capability = {mode.capability}\n" if mode.capability else ""
        authority = Authority(os.path.join(directory, "ca"))
        self.mail = (Cyrus(directory, PASSWORD) if mode.cyrus else
                     Dovecot(directory, authority, tls=False, more=masked))
        self.redis = Redis(directory, aof=True, options=("--appendfsync", fsync))
        self.consumer = Consumer()
        self.daemon = Daemon(os.path.join(directory, "d"), self.redis.url, authority.file, **settings(batch))
        self.proxy: Proxy | None = None
        self.dump: Dump | None = None
        self.truth: Truth | None = None
        self.sync_from: Since | None = None  # with --since, once there is the account

    def start(self) -> None:
        self.mail.start()
        self.redis.start()
        self.proxy = Proxy(self.mail.imap, self.mode.forbidden)
        self.truth = Truth(self.mail.imap, USER, PASSWORD, self.mode.modseq)
        self.dump = Dump(dump_program(), self.redis.url, os.path.join(self.daemon.settings["data_dir"], "secret.key"),
                         USER, os.path.join(self.dir, "index_dump.log"))
        self.daemon.start()
        self.daemon.hooks(self.consumer.url)

    def add_account(self) -> None:
        if self.since:
            self.sync_from = Since(self.daemon, self.truth, f"/v1/account/{USER}")
        # A server without LIST-STATUS and NOTIFY shows a new mailbox with the next listing alone.
        self.daemon.add_account(USER, self.mail, host=HOST, port=self.proxy.port, secure=False, notifyFrom=LONG_AGO,
                                imap={"resyncDelay": LISTED_SECONDS}, **({"syncFrom": FIRST_DATE} if self.since else {}))

    def client(self) -> Imap:
        return Imap(self.mail.imap, USER, PASSWORD)

    def doveadm(self, *args: str) -> str:
        done = subprocess.run(["doveadm", "-c", os.path.join(self.mail.dir, "dovecot.conf"), *args],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, f"doveadm {args}: {done.stderr}"
        return done.stdout

    def revive(self) -> None:
        """Ends what faults did: everything runs and passes."""
        self.proxy.heal()
        self.consumer.answer, self.consumer.delay = (lambda delivery: 200), 0
        if not self.redis.process.running():
            self.redis.start()
        if self.daemon.process is None or not self.daemon.process.running():
            self.daemon.start()
        wait_until(lambda: self.daemon.health() == 200, 30, "healthy daemon")

    def stop(self) -> None:
        """Ends everything; fails if the daemon crashed."""
        try:
            self.daemon.end()
        finally:
            for part in (self.dump, self.truth, self.proxy, self.consumer):
                if part is not None:
                    part.close()
            self.redis.stop()
            self.mail.stop()
