"""Every mailbox of an account is watched, by whatever the server offers."""
import statistics
import time

import pytest
from rig import mail
from rig.dovecot import Dovecot
from rig.process import wait_until
from rig.tap import Tap

BASE = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE NAMESPACE UIDPLUS LIST-EXTENDED SPECIAL-USE"
SYNC = "CONDSTORE QRESYNC"
# What the server admits to -> capabilities.
KINDS = {
    "NOTIFY": None,
    "LIST-STATUS": f"{BASE} {SYNC} IDLE LIST-STATUS",
    "STATUS": f"{BASE} {SYNC} IDLE",
    "no QRESYNC": f"{BASE} CONDSTORE IDLE LIST-STATUS ESEARCH",
    "no CONDSTORE": f"{BASE} IDLE LIST-STATUS ESEARCH",
    "no IDLE": f"{BASE} {SYNC}",
    "nothing": "IMAP4rev1 UIDPLUS",
}
SLOW = {"sync_poll_interval_s": 3600, "sync_poll_hot_s": 3600}  # whoever is told needs no look


@pytest.fixture(scope="module")
def servers(top, authority, module_work):
    """kind -> a Dovecot that admits to no more than that; tls=False: one that can be listened to."""
    made = {}

    def get(kind, tls=True):
        if (kind, tls) not in made:
            caps = KINDS[kind]
            more = f"\nimap_capability = {caps}\n" if caps else ""
            made[kind, tls] = Dovecot(f"{module_work}/{len(made)}", authority, tls=tls, more=more)
            made[kind, tls].start()
        return made[kind, tls]
    yield get
    for server in made.values():
        server.stop()


@pytest.fixture
def tap():
    made = []

    def make(server, delay=0):
        made.append(Tap(server.imap, delay))
        return made[-1]
    yield make
    for t in made:
        t.close()


def start(make_daemon, redis, consumer, server, user, settings=None, **more):
    d = make_daemon(redis.url, **(settings or {})).start()
    d.hooks(consumer.url)
    d.add_account(user, server, **more)
    d.wait_state(user)
    return d


def through(tap_made):
    return {"host": "127.0.0.1", "secure": False, "port": tap_made.port}


@pytest.mark.parametrize("kind", KINDS)
def test_changes_in_another_mailbox_are_announced(make_daemon, redis, consumer, servers, user, kind):
    server = servers(kind)
    settings = SLOW if kind == "NOTIFY" else {"sync_poll_interval_s": 1}
    start(make_daemon, redis, consumer, server, user, settings)
    for n in range(3):
        server.append(user, "Archive", mail.plain(n, message_id=f"<other-{n}@example.com>"))
        consumer.wait("messageNew", user, messageId=f"<other-{n}@example.com>")
    server.expunge(user, 2, "Archive")
    consumer.wait("messageDeleted", user, uid=2)
    if kind not in ("no CONDSTORE", "nothing"):  # without MODSEQ flags of other mailboxes wait for the next whole reading
        server.store(user, 1, "+FLAGS (\\Flagged)", "Archive")
        consumer.wait("messageUpdated", user, uid=1)


@pytest.mark.parametrize("kind", ["no IDLE", "nothing"])
def test_inbox_of_a_server_without_idle_is_polled_by_an_interval_of_its_own(make_daemon, redis, consumer, servers,
                                                                            user, kind):
    server = servers(kind)
    start(make_daemon, redis, consumer, server, user, {**SLOW, "sync_inbox_poll_s": 1})
    server.deliver(user, mail.plain(1, message_id="<polled@example.com>"))
    consumer.wait("messageNew", user, messageId="<polled@example.com>")


@pytest.mark.parametrize("kind", ["NOTIFY", "LIST-STATUS"])
def test_mailboxes_that_come_and_go_are_noticed(make_daemon, redis, consumer, servers, user, kind):
    server = servers(kind)
    settings = SLOW if kind == "NOTIFY" else {"sync_poll_interval_s": 1}
    d = start(make_daemon, redis, consumer, server, user, {**settings, "sync_delete_confirm_s": 1})
    with server.client(user) as c:
        c.create("Fresh")
    consumer.wait("mailboxNew", user, path="Fresh")
    server.append(user, "Fresh", mail.plain(1, message_id="<fresh@example.com>"))
    consumer.wait("messageNew", user, messageId="<fresh@example.com>")
    with server.client(user) as c:
        c.delete("Fresh")
    consumer.wait("mailboxDeleted", user, path="Fresh")
    assert d.request("GET", f"/v1/account/{user}/messages?path=Fresh").status == 404


def latencies(server, consumer, user, mailbox, count=8):
    out = []
    for n in range(count):
        message_id = f"<lat-{mailbox}-{n}@example.com>"
        begin = time.monotonic()
        server.append(user, mailbox, mail.plain(n, message_id=message_id))
        consumer.wait("messageNew", user, messageId=message_id)
        out.append(time.monotonic() - begin)
        time.sleep(0.1)
    return out


def test_another_mailbox_is_as_fast_as_inbox_with_notify(make_daemon, redis, consumer, servers, user):
    server = servers("NOTIFY")
    start(make_daemon, redis, consumer, server, user, SLOW)
    inbox = statistics.median(latencies(server, consumer, user, "INBOX"))
    archive = statistics.median(latencies(server, consumer, user, "Archive"))
    print(f"median until told: INBOX {inbox * 1000:.0f} ms, Archive {archive * 1000:.0f} ms")
    assert archive < inbox + 0.3


def test_another_watched_mailbox_does_not_end_the_session(make_daemon, redis, consumer, servers, user):
    """Dovecot dies of the first new message behind another SELECT, unless NOTIFY is asked for again."""
    server = servers("NOTIFY")
    d = start(make_daemon, redis, consumer, server, user, SLOW)
    server.append(user, "INBOX", mail.plain(0))
    consumer.wait("messageNew", user, count=1)
    for n, watched in enumerate(("Archive", "INBOX", "Sent"), 2):
        d.put(f"/v1/account/{user}", {"path": [watched]})
        wait_until(lambda: watching(d, user) == watched, 10, watched)
        time.sleep(0.2)
        server.append(user, watched, mail.plain(n))
        consumer.wait("messageNew", user, count=n)
    assert d.get(f"/v1/account/{user}/diagnose")["errors"] == []


def watching(d, user):
    """The mailbox that the idling connection has selected."""
    return next((c["path"] for c in d.get(f"/v1/account/{user}/diagnose")["connections"]
                 if (c["role"], c["state"]) == ("watch", "idle")), None)


def test_changes_in_many_mailboxes_do_not_open_connections_each_time(make_daemon, redis, consumer, servers, user,
                                                                     tap):
    server = servers("NOTIFY", tls=False)
    t = tap(server)
    start(make_daemon, redis, consumer, server, user, SLOW, **through(t))
    boxes = ["Archive", "Sent", "Junk", "Trash"]
    server.append(user, boxes[0], mail.plain(1))
    consumer.wait("messageNew", user)
    opened = len(t.connections)
    with server.client(user) as c:
        for n in range(5):
            for box in boxes:
                c.append(box, "", None, mail.plain(n))
            time.sleep(1)
    consumer.wait("messageNew", user, count=21)
    assert len(t.connections) == opened


@pytest.mark.parametrize("kind", ["STATUS", "LIST-STATUS"])
def test_subconnections_tell_at_once_of_the_mailboxes_they_are_for(make_daemon, redis, consumer, servers, user, kind):
    server = servers(kind)
    start(make_daemon, redis, consumer, server, user, SLOW, subconnections=["\\Archive", "Nowhere"])
    time.sleep(1)  # until it is selected
    server.append(user, "Archive", mail.plain(1, message_id="<sub@example.com>"))
    consumer.wait("messageNew", user, messageId="<sub@example.com>")
    server.expunge(user, 1, "Archive")
    consumer.wait("messageDeleted", user, uid=1)


def test_subconnections_come_and_go_with_the_record_without_a_new_login_of_the_rest(make_daemon, redis, consumer,
                                                                                    servers, user, tap):
    server = servers("STATUS", tls=False)
    t = tap(server)
    d = start(make_daemon, redis, consumer, server, user, SLOW, **through(t))
    first = t.connections[0]
    d.put(f"/v1/account/{user}", {"subconnections": ["Archive"], "name": "Other name"})
    wait_until(lambda: any(b'SELECT "Archive"' in c.text(True) and c.text(True).rstrip().endswith(b"IDLE")
                           for c in t.connections), 10, "IDLE in Archive")
    d.put(f"/v1/account/{user}", {"subconnections": []})
    wait_until(lambda: not any(c.open and b'SELECT "Archive"' in c.text(True).rsplit(b"LOGIN", 1)[-1]
                               and c.text(True).rstrip().endswith(b"IDLE") for c in t.connections), 10, "its end")
    assert first.open and d.account(user)["state"] == "connected"


def test_requests_need_no_more_than_the_one_connection_subconnections_leave(make_daemon, redis, consumer, servers, user):
    server = servers("STATUS")
    server.append(user, "INBOX", mail.rich(attachments=[("a.bin", "application/octet-stream", mail.binary(600_000))]))
    boxes = ["Archive", "Sent", "Trash"]
    d = start(make_daemon, redis, consumer, server, user, SLOW, subconnections=boxes)
    for n, box in enumerate(boxes):  # once it is told of, it has its connection
        server.append(user, box, mail.plain(n))
        consumer.wait("messageNew", user, path=box)
    row = d.messages(user)[0]
    entry = [a for a in d.get(f"/v1/account/{user}/message/{row['id']}")["attachments"] if not a.get("inline")][0]
    for path in (f"attachment/{entry['id']}", f"message/{row['id']}/source"):
        assert d.request("GET", f"/v1/account/{user}/{path}", seconds=10).status == 200, path


def test_only_the_mailboxes_of_path_are_indexed(make_daemon, redis, consumer, servers, user):
    server = servers("NOTIFY")
    for n in range(5):
        server.append(user, "Archive", mail.plain(n))
        server.append(user, "Sent", mail.plain(n))
    d = start(make_daemon, redis, consumer, server, user, SLOW, path=["INBOX", "\\Sent"])
    server.append(user, "Archive", mail.plain(9, message_id="<unheard@example.com>"))
    server.append(user, "Sent", mail.plain(9, message_id="<heard@example.com>"))
    consumer.wait("messageNew", user, messageId="<heard@example.com>")
    assert not consumer.seen("messageNew", user, messageId="<unheard@example.com>")
    # What is not indexed can be read all the same.
    page = d.page(user, "Archive", size=4)
    assert (page["total"], page["pages"], [m["uid"] for m in page["messages"]]) == (6, 2, [6, 5, 4, 3])
    assert [m["uid"] for m in d.page(user, "Archive", 1, 4)["messages"]] == [2, 1]
    one = page["messages"][0]["id"]
    assert d.get(f"/v1/account/{user}/message/{one}")["messageId"] == "<unheard@example.com>"
    d.put(f"/v1/account/{user}", {"path": ["*"]})
    wait_until(lambda: {m["path"]: m["messages"] for m in d.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}
               ["Archive"] == 6, 10, "index of Archive")


def test_path_without_inbox_watches_its_first_mailbox(make_daemon, redis, consumer, servers, user, tap):
    server = servers("STATUS", tls=False)
    t = tap(server)
    start(make_daemon, redis, consumer, server, user, SLOW, path="Archive", **through(t))
    server.append(user, "Archive", mail.plain(1, message_id="<only@example.com>"))
    consumer.wait("messageNew", user, messageId="<only@example.com>")
    server.deliver(user, mail.plain(2, message_id="<inbox@example.com>"))
    server.append(user, "Archive", mail.plain(3, message_id="<more@example.com>"))
    consumer.wait("messageNew", user, messageId="<more@example.com>")
    assert not consumer.seen("messageNew", user, messageId="<inbox@example.com>")


def test_a_change_of_the_record_reconnects_only_if_the_server_changed(make_daemon, redis, consumer, servers, user,
                                                                      tap):
    server = servers("NOTIFY", tls=False)
    t = tap(server)
    d = start(make_daemon, redis, consumer, server, user, SLOW, **through(t))
    before = len(t.connections)
    imap = d.account(user)["imap"]
    d.put(f"/v1/account/{user}", {"name": "Renamed", "webhooks": consumer.url, "email": "new@example.com"})
    d.put(f"/v1/account/{user}", {"imap": {"partial": True, "resyncDelay": 1800}})
    assert d.account(user)["name"] == "Renamed" and d.account(user)["imap"]["resyncDelay"] == 1800
    server.deliver(user, mail.plain(1, message_id="<still@example.com>"))
    consumer.wait("messageNew", user, messageId="<still@example.com>")
    assert len(t.connections) == before and imap["port"] == t.port
    d.put(f"/v1/account/{user}", {"imap": {"partial": True, "port": server.imap}})
    wait_until(lambda: not t.connections[0].open, 10, "end of the old connection")
    d.wait_state(user)
    server.deliver(user, mail.plain(2, message_id="<again@example.com>"))
    consumer.wait("messageNew", user, messageId="<again@example.com>")


def test_old_settings_are_not_shown_while_the_connection_to_the_old_server_ends(make_daemon, redis, consumer, servers,
                                                                                user, tap):
    server = servers("NOTIFY", tls=False)
    server.deliver(user, mail.plain(1))
    t = tap(server, 0.2)
    d = start(make_daemon, redis, consumer, server, user, SLOW, **through(t))
    consumer.wait("accountInitialized", user)
    server.store(user, 1, "+FLAGS (\\Flagged)")
    consumer.wait("messageUpdated", user)
    d.put(f"/v1/account/{user}", {"imap": {"partial": True, "port": server.imap}})
    shown = []
    wait_until(lambda: shown.append(d.account(user)["imap"]["port"]) or not t.connections[0].open, 10,
               "end of the old connection", pause=0.001)
    assert len(shown) > 1 and set(shown) == {server.imap}


def test_flush_indexes_anew_and_keeps_message_ids(make_daemon, redis, consumer, servers, user):
    server = servers("NOTIFY")
    for n in range(30):
        server.append(user, "INBOX", mail.plain(n))
        server.append(user, "Archive", mail.plain(n))
    time.sleep(1.1)  # INTERNALDATE has whole seconds: these are older than the account
    d = start(make_daemon, redis, consumer, server, user, SLOW)
    consumer.wait("accountInitialized", user)
    before = {box: d.messages(user, box) for box in ("INBOX", "Archive")}
    assert d.put(f"/v1/account/{user}/flush", {"flush": False}) == {"flush": False}
    assert d.put(f"/v1/account/{user}/flush", {"flush": True}) == {"flush": True}
    consumer.wait("accountInitialized", user, count=2)
    assert {box: d.messages(user, box) for box in before} == before
    assert not consumer.seen("messageNew", user) and not consumer.seen("messageDeleted", user)
    server.append(user, "Archive", mail.plain(99, message_id="<after@example.com>"))
    consumer.wait("messageNew", user, messageId="<after@example.com>")


def test_fast_indexer_tells_of_arrivals_only_and_can_be_left_again(make_daemon, redis, consumer, servers, user):
    server = servers("NOTIFY")
    for n in range(20):
        server.append(user, "INBOX", mail.plain(n))
    time.sleep(1.1)  # as above
    d = start(make_daemon, redis, consumer, server, user, SLOW, imapIndexer="fast")
    for box in ("INBOX", "Archive"):
        server.append(user, box, mail.plain(50, message_id=f"<fast-{box}@example.com>"))
        consumer.wait("messageNew", user, messageId=f"<fast-{box}@example.com>")
    server.store(user, 1, "+FLAGS (\\Flagged)")
    server.expunge(user, [2, 3])
    server.append(user, "INBOX", mail.plain(51, message_id="<last@example.com>"))
    consumer.wait("messageNew", user, messageId="<last@example.com>")
    assert not consumer.seen("messageUpdated", user) and not consumer.seen("messageDeleted", user)
    assert d.page(user, size=5)["total"] == 20
    told = len(consumer.seen("messageNew", user))
    time.sleep(1.1)  # as above: mail of the second of a flush may be told again, under its id
    d.put(f"/v1/account/{user}/flush", {"flush": True, "imapIndexer": "full"})
    consumer.wait("accountInitialized", user, count=2)
    server.expunge(user, 4)
    consumer.wait("messageDeleted", user, uid=4)
    assert len(consumer.seen("messageNew", user)) == told


@pytest.mark.parametrize("kind", ["NOTIFY", "LIST-STATUS", "no QRESYNC", "no CONDSTORE"])
def test_a_reconnect_without_changes_costs_three_round_trips(make_daemon, redis, consumer, servers, user, tap, kind):
    server = servers(kind, tls=False)
    with server.client(user) as c:
        for n in range(20):
            c.create(f"box{n}")
    for n in range(5):
        server.append(user, "INBOX", mail.plain(n))
    time.sleep(1.1)  # INTERNALDATE has whole seconds: these are older than the account
    t = tap(server, 0.1)
    d = start(make_daemon, redis, consumer, server, user, SLOW, **through(t))
    seen = len(t.connections)
    d.put(f"/v1/account/{user}/reconnect", {"reconnect": True})
    wait_until(lambda: len(t.connections) > seen and t.connections[seen].text(True).rstrip().endswith(b"IDLE"),
               10, "IDLE on the new connection")
    time.sleep(0.5)
    flights = t.connections[seen].after_login()
    trips = [data for client, data, _ in flights if client]
    assert len(trips) <= 3, trips
    assert len(t.connections) == seen + 1, "nothing changed, so nothing is worked on"
    answer = b"".join(data for client, data, _ in flights if not client)
    lines = answer.split(b"\r\n")
    listing = sum(len(line) + 2 for line in lines if line.startswith((b"* LIST", b"* STATUS")))
    boxes = sum(line.startswith(b"* LIST") for line in lines)
    rest = sum(map(len, trips)) + len(answer) - listing
    print(f"{len(trips)} round trips, {listing / boxes:.0f} bytes a mailbox, {rest} bytes besides")
    assert boxes >= 20 and listing / boxes <= 150
    assert rest <= 2048


def test_idle_begins_anew_before_its_time_is_up(make_daemon, redis, consumer, servers, user, tap):
    server = servers("NOTIFY", tls=False)
    t = tap(server)
    start(make_daemon, redis, consumer, server, user, {**SLOW, "sync_idle_max_s": 1}, **through(t))
    wait_until(lambda: t.commands()[b"IDLE"] >= 3, 10, "IDLE again")
    server.deliver(user, mail.plain(1, message_id="<later@example.com>"))
    consumer.wait("messageNew", user, messageId="<later@example.com>")


def test_sync_looks_at_every_mailbox_now(make_daemon, redis, consumer, servers, user):
    server = servers("STATUS")
    d = start(make_daemon, redis, consumer, server, user, SLOW)
    server.append(user, "Archive", mail.plain(1, message_id="<now@example.com>"))
    time.sleep(1)
    assert not consumer.seen("messageNew", user)
    assert d.put(f"/v1/account/{user}/sync", {"sync": True}) == {"sync": True}
    consumer.wait("messageNew", user, messageId="<now@example.com>")


def test_cold_mailboxes_are_looked_at_less_often(make_daemon, redis, consumer, servers, user, tap):
    server = servers("STATUS", tls=False)
    t = tap(server)
    settings = {"sync_poll_interval_s": 2, "sync_poll_hot_s": 1, "sync_hot_for_s": 60, "sync_cold_after_s": 1,
                "sync_poll_cold_s": 600}
    start(make_daemon, redis, consumer, server, user, settings, **through(t))
    time.sleep(1.5)
    server.append(user, "Archive", mail.plain(1, message_id="<warm@example.com>"))
    # Found at the first look at all of them, which is before they turn cold.
    consumer.wait("messageNew", user, messageId="<warm@example.com>")
    before = t.commands()
    time.sleep(4)
    asked = t.commands() - before
    assert asked[b'STATUS "ARCHIVE"'] >= 2 and not asked[b'STATUS "JUNK"'], asked
