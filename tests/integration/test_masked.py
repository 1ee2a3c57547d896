"""The same history on servers that offer more and less to follow it with."""
import os

import pytest

from rig import mail
from rig.dovecot import Dovecot
from rig.process import wait_until

LEAST = "IMAP4rev1 LITERAL+ IDLE ENABLE UIDPLUS MOVE NAMESPACE CHILDREN"
OFFERS = {
    "qresync": "",
    "condstore": f"{LEAST} ESEARCH CONDSTORE LIST-STATUS LIST-EXTENDED SPECIAL-USE",
    "neither": f"{LEAST} ESEARCH",
    "nothing": LEAST,
}
SIZE = 3000


@pytest.fixture(params=OFFERS)
def server(request, work, authority):
    words = OFFERS[request.param]
    more = f"protocol imap {{\n  imap_capability = {words}\n}}\nimap_capability = {words}\n" if words else ""
    masked = Dovecot(os.path.join(work, "masked"), authority, more=more)
    masked.start()
    yield masked
    masked.stop()


def state_of(daemon, user):
    return {m["uid"]: (set(m.get("flags", [])) - {"\\Recent"}) for m in daemon.messages(user)}


def told(consumer, event, user):
    return sorted(d.data["uid"] for d in consumer.seen(event, user))


def test_history_while_away_is_told_once(server, daemon, consumer, user):
    server.fill(user, mail.many(SIZE), flags=("S",))
    daemon.add_account(user, server)
    daemon.wait_state(user, seconds=60)
    consumer.wait("accountInitialized", user, seconds=60)
    daemon.stop()
    server.expunge(user, [1, 1500, *range(2000, 2010), SIZE])
    server.store(user, [SIZE - 3], "+FLAGS (\\Flagged)")
    for n in range(3):
        server.append(user, "INBOX", mail.plain(n, message_id=f"<away-{n}@example.com>"))
    daemon.restart()
    consumer.wait("messageNew", user, count=3, seconds=30)
    consumer.wait("messageDeleted", user, count=13, seconds=30)
    consumer.wait("messageUpdated", user, uid=SIZE - 3, seconds=30)
    wait_until(lambda: daemon.page(user)["total"] == SIZE - 13 + 3, 20, "the listing to agree")
    uids = sorted(state_of(daemon, user))
    assert uids == sorted(server.uids(user))
    # Nothing happened since: another start tells nothing.
    daemon.stop()
    daemon.restart()
    daemon.wait_state(user)
    assert told(consumer, "messageNew", user) == [SIZE + 1, SIZE + 2, SIZE + 3]
    assert told(consumer, "messageDeleted", user) == [1, 1500, *range(2000, 2010), SIZE]
    assert told(consumer, "messageUpdated", user) == [SIZE - 3]
    server.deliver(user, mail.plain(9, message_id="<live@example.com>"))
    server.expunge(user, [77])
    consumer.wait("messageNew", user, messageId="<live@example.com>")
    consumer.wait("messageDeleted", user, uid=77)
