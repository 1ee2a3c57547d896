"""What the watching connection is told by itself, beside whatever else goes on there."""
import re
import time

from rig import mail
from rig.dovecot import Dovecot
from rig.imap import Imap
from rig.process import wait_until
from rig.tap import Tap

SLOW = {"sync_poll_interval_s": 3600, "sync_poll_hot_s": 3600}
# With a cursor, and no NOTIFY.
CAPABILITIES = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE NAMESPACE UIDPLUS LIST-EXTENDED SPECIAL-USE CONDSTORE IDLE LIST-STATUS"
CHANGES = 200  # after which a pass moves the stored cursor


class Inbox(Imap):
    """One mailbox: UIDs in their order, flags by UID; tell: what is said before the next listing."""

    def __init__(self):
        super().__init__(instead=self._idle, boxes=("INBOX",))
        self.uids, self.flags, self.tell, self.idlers = [1, 2, 3, 4], {}, b"", []

    def _idle(self, _, command, tag, rest, s):
        if command == b"IDLE":
            self.idlers.append(s)
        return False

    def answer(self, command, rest):
        if command in (b"LOGIN", b"AUTHENTICATE", b"CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1 IDLE UIDPLUS\r\n"
        if command == b"LIST":
            told, self.tell = self.tell, b""
            return told + super().answer(command, rest)
        if command == b"SELECT":
            return (b"* FLAGS (\\Flagged)\r\n* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT %d] x\r\n"
                    % (len(self.uids), self.uids[-1] + 1))
        if command in (b"FETCH", b"UID FETCH"):
            ranges = re.findall(rb"(\d+)(?::(\d+))?", rest.split(b" ")[0])
            keys = self.uids if command == b"UID FETCH" else range(1, len(self.uids) + 1)
            return b"".join(self.line(n, uid) for n, (key, uid) in enumerate(zip(keys, self.uids), 1)
                            if any(int(lo) <= key <= int(hi or lo) for lo, hi in ranges))
        if command == b"UID SEARCH":
            return b"* SEARCH" + b"".join(b" %d" % uid for uid in self.uids) + b"\r\n"
        return b""

    def line(self, number, uid):
        row = self.row(uid).replace(b"* %d " % uid, b"* %d " % number)
        return row.replace(b"FLAGS ()", b"FLAGS (%s)" % self.flags.get(uid, b""))


def test_what_is_told_while_a_listing_runs_is_applied(make_daemon, redis, consumer, fake, user):
    server = Inbox()
    d = make_daemon(redis.url, **SLOW).start()
    d.hooks(consumer.url)
    d.post("/v1/account", {"account": user, "name": user, "notifyFrom": "2020-01-01T00:00:00.000Z", "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": "127.0.0.1", "port": fake(server).port, "secure": False}})
    d.wait_state(user)
    wait_until(lambda: server.idlers, 5, "IDLE")
    server.uids, server.flags = [1, 3, 4, 5], {4: b"\\Flagged"}
    server.tell = b"* 2 EXPUNGE\r\n* 3 FETCH (UID 4 FLAGS (\\Flagged))\r\n* 4 EXISTS\r\n"
    lists = server.commands.count(b"LIST")
    server.idlers[-1].sendall(b'* LIST () "/" INBOX\r\n')
    wait_until(lambda: server.commands.count(b"LIST") > lists, 5, "a listing")
    for event, uid in (("messageDeleted", 2), ("messageUpdated", 4), ("messageNew", 5)):
        consumer.wait(event, user, uid=uid)
    assert sorted(m["uid"] for m in d.messages(user, "INBOX")) == [1, 3, 4, 5]


def selected(tap):
    """How often the watching connection selected."""
    return tap.connections[0].text(True).count(b" SELECT ")


def test_many_live_changes_move_the_stored_cursor(make_daemon, redis, consumer, authority, module_work, user):
    server = Dovecot(f"{module_work}/cursor", authority, tls=False, more=f"\nimap_capability = {CAPABILITIES}\n")
    server.start()
    tap = Tap(server.imap)
    try:
        server.fill(user, mail.many(CHANGES + 10))
        d = make_daemon(redis.url, sync_threads="false", **SLOW).start()
        d.hooks(consumer.url)
        d.add_account(user, server, host="127.0.0.1", port=tap.port, secure=False)
        d.wait_state(user)
        selects = selected(tap)
        few = list(range(1, CHANGES))
        server.store(user, few, "+FLAGS (\\Flagged)")
        consumer.wait("messageUpdated", user, count=len(few))
        time.sleep(1)
        assert selected(tap) == selects, "one change is missing"
        server.store(user, [CHANGES], "+FLAGS (\\Flagged)")
        wait_until(lambda: selected(tap) == selects + 1, 5, "SELECT")
        time.sleep(1)
        assert selected(tap) == selects + 1
        seen = len(tap.connections)
        d.put(f"/v1/account/{user}/reconnect", {"reconnect": True})
        wait_until(lambda: len(tap.connections) > seen and tap.connections[seen].text(True).rstrip().endswith(b"IDLE"),
                   10, "IDLE on the new connection")
        assert b" FETCH " not in tap.connections[seen].text(True), "what was told is not asked for again"
        assert len(consumer.seen("messageUpdated", user)) == CHANGES
    finally:
        tap.close()
        server.stop()
