"""What a message or a mailbox is, stays: moves, renames, new UIDVALIDITY."""
import os
import shutil
import time

import pytest

from rig import mail
from rig.daemon import ApiError
from rig.dovecot import quote
from rig.process import wait_until

FINE = ("messageNew", "messageDeleted", "messageUpdated", "messageMoved",
        "mailboxNew", "mailboxDeleted", "mailboxReset", "mailboxRenamed", "accountInitialized")


def start(daemon, dovecot, user, consumer):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    consumer.wait("accountInitialized", user)


def move(dovecot, user, uids, source, target):
    with dovecot.client(user) as c:
        c.select(quote(source))
        status, answer = c.uid("MOVE", uids, quote(target))
        assert status == "OK", answer


def arrive(dovecot, consumer, user, count=1, first=1):
    """Messages that came after the account: old mail is not told of."""
    for n in range(first, first + count):
        dovecot.deliver(user, mail.plain(n, text="x" * n + "\r\n", message_id=f"<id-{n}@example.com>"))
    return [consumer.wait("messageNew", user, messageId=f"<id-{n}@example.com>")
            for n in range(first, first + count)]


def look(daemon, user):
    """Dovecot's NOTIFY may be silent about what was just renamed."""
    daemon.put(f"/v1/account/{user}/sync", {"sync": True})


def total(daemon, user, path):
    try:
        return daemon.page(user, path)["total"]
    except ApiError as e:
        # Dovecot ends sessions whose mailbox was replaced; a daemon that was killed is on its way.
        assert e.reply.status in (404, 502, 503), e
        return None


# --- moves ---

def test_move_by_another_client_is_told_as_deletion_and_arrival(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user, consumer)
    told = arrive(dovecot, consumer, user)[0]
    move(dovecot, user, "1", "INBOX", "Archive")
    gone = consumer.wait("messageDeleted", user, uid=1)
    new = consumer.wait("messageNew", user, path="Archive")
    assert gone.data["id"] == told.data["id"] and gone.json["path"] == "INBOX"
    assert new.data["messageId"] == "<id-1@example.com>", "it comes with its content"
    assert new.data["seemsLikeNew"] is False
    assert "from" not in new.data or isinstance(new.data["from"], dict) and "address" in new.data["from"]
    assert "to" not in new.data or isinstance(new.data["to"], list)
    assert not consumer.seen("messageMoved")


def test_who_asks_for_moves_gets_them(daemon, dovecot, consumer, user):
    daemon.hooks(consumer.url, events=FINE)
    start(daemon, dovecot, user, consumer)
    told = arrive(dovecot, consumer, user, 3)
    move(dovecot, user, "1:3", "INBOX", "Archive")
    consumer.wait("messageMoved", user, count=3)
    for d in consumer.seen("messageMoved", user):
        n = d.data["uid"]
        assert d.data["from"] == {"id": told[n - 1].data["id"], "uid": n, "path": "INBOX"}
        assert d.data["to"] == {"id": d.data["id"], "uid": n, "path": "Archive"}
        assert d.json["path"] == "Archive"
    consumer.wait("messageDeleted", user, count=3)
    assert len(consumer.seen("messageNew", user)) == 3, "a move is no new message"


def test_copy_is_new_and_its_original_stays(daemon, dovecot, consumer, user):
    daemon.hooks(consumer.url, events=FINE)
    start(daemon, dovecot, user, consumer)
    arrive(dovecot, consumer, user)
    with dovecot.client(user) as c:
        c.select("INBOX")
        c.uid("COPY", "1", "Archive")
    consumer.wait("messageNew", user, path="Archive")
    assert not consumer.seen("messageMoved") and not consumer.seen("messageDeleted")


def test_move_through_the_api_is_certain(daemon, dovecot, consumer, user):
    daemon.hooks(consumer.url, events=FINE)
    start(daemon, dovecot, user, consumer)
    # Two that look the same: only COPYUID can tell which of them went.
    dovecot.append(user, "Sent", mail.plain(7), "(\\Seen)")
    dovecot.append(user, "Sent", mail.plain(7), "(\\Seen)")
    wait_until(lambda: len(consumer.seen("messageNew", user)) == 2, 20, "two messages in Sent")
    first = consumer.seen("messageNew", user)[0]
    answer = daemon.put(f"/v1/account/{user}/message/{first.data['id']}/move", {"path": "Archive"})
    moved = consumer.wait("messageMoved", user)
    assert moved.data["id"] == answer["id"]
    assert moved.data["from"]["id"] == first.data["id"]
    consumer.wait("messageDeleted", user, id=first.data["id"])
    assert len(consumer.seen("messageNew", user)) == 2


def test_killed_between_removal_and_arrival(make_daemon, redis, dovecot, consumer, user):
    d = make_daemon(redis.url, sync_poll_interval_s=600).start()
    d.hooks(consumer.url, events=FINE)
    start(d, dovecot, user, consumer)
    dovecot.append(user, "Archive", mail.plain(1))
    arrive(dovecot, consumer, user)
    # The moment INBOX tells of the removal, before anybody looks at the destination.
    consumer.answer = lambda delivery: d.kill() or None if delivery.event == "messageDeleted" else 200
    move(dovecot, user, "1", "INBOX", "Drafts")
    wait_until(lambda: any(x.event == "messageDeleted" for x in consumer.deliveries), 20, "the removal is told")
    assert not consumer.seen("messageMoved")
    consumer.answer = lambda delivery: 200
    d.start()
    moved = consumer.wait("messageMoved", user)
    assert moved.data["from"]["path"] == "INBOX" and moved.json["path"] == "Drafts"
    gone = [x.id for x in consumer.deliveries if x.event == "messageDeleted"]
    assert len(set(gone)) == 1


def test_arrival_after_the_window_is_new(make_daemon, redis, dovecot, consumer, user):
    d = make_daemon(redis.url, sync_move_window_s=1).start()
    d.hooks(consumer.url, events=FINE)
    start(d, dovecot, user, consumer)
    arrive(dovecot, consumer, user)
    with dovecot.client(user) as c:
        c.select("INBOX")
        raw = c.uid("FETCH", "1", "(BODY.PEEK[] INTERNALDATE)")[1][0]
        date = '"' + raw[0].split(b'INTERNALDATE "')[1].split(b'"')[0].decode() + '"'
        c.uid("STORE", "1", "+FLAGS", "(\\Deleted)")
        c.expunge()
        consumer.wait("messageDeleted", user)
        time.sleep(2)
        c.append("Archive", "", date, raw[1])
    consumer.wait("messageNew", user, path="Archive")
    assert not consumer.seen("messageMoved")


# --- renames ---

def fill_tree(dovecot, user):
    with dovecot.client(user) as c:
        for name in ("Work", "Work/Deep", "Work/Empty"):
            c.create(name)
    for box in ("Work", "Work.Deep"):
        dovecot.fill(user, [mail.plain(n, text="y" * n + "\r\n") for n in range(6)], box)


def rename(dovecot, user, old, new):
    with dovecot.client(user) as c:
        assert c.rename(old, new)[0] == "OK"


def test_renamed_mailbox_keeps_its_messages_and_children_follow(daemon, dovecot, consumer, user):
    daemon.hooks(consumer.url, events=FINE)
    fill_tree(dovecot, user)
    start(daemon, dovecot, user, consumer)
    before = {p: {m["id"] for m in daemon.messages(user, p)} for p in ("Work", "Work/Deep")}
    count = len(consumer.deliveries)
    rename(dovecot, user, "Work", "Play")
    look(daemon, user)
    consumer.wait("mailboxRenamed", user, count=3)
    told = {d.data["old"]["path"]: d.data["new"]["path"] for d in consumer.seen("mailboxRenamed", user)}
    assert told == {"Work": "Play", "Work/Deep": "Play/Deep", "Work/Empty": "Play/Empty"}
    wait_until(lambda: total(daemon, user, "Play") == 6 and total(daemon, user, "Play/Deep") == 6, 20, "both are there")
    assert {m["id"] for m in daemon.messages(user, "Play")} == before["Work"]
    assert {m["id"] for m in daemon.messages(user, "Play/Deep")} == before["Work/Deep"]
    assert daemon.request("GET", f"/v1/account/{user}/messages?path=Work").status == 404
    time.sleep(2)
    assert {d.event for d in consumer.deliveries[count:]} == {"mailboxRenamed"}, "no message is news"
    dovecot.append(user, "Play", mail.plain(90, message_id="<after@example.com>"))
    look(daemon, user)
    consumer.wait("messageNew", user, messageId="<after@example.com>")
    arrive(dovecot, consumer, user, first=95)


def test_rename_is_deletion_and_creation_to_who_does_not_know_it(daemon, dovecot, consumer, user):
    fill_tree(dovecot, user)
    start(daemon, dovecot, user, consumer)
    rename(dovecot, user, "Work/Deep", "Elsewhere")
    look(daemon, user)
    gone = consumer.wait("mailboxDeleted", user, path="Work/Deep")
    new = consumer.wait("mailboxNew", user, path="Elsewhere")
    assert gone.json["path"] == "Work/Deep" and new.json["path"] == "Elsewhere"
    assert gone.id[:-2] == new.id[:-2] and (gone.id[-2:], new.id[-2:]) == (".0", ".1")
    assert gone.data["name"] == "Deep" and new.data["uidValidity"]
    time.sleep(2)
    assert not consumer.seen("messageNew") and not consumer.seen("messageDeleted")


def test_half_that_was_told_is_not_told_again(daemon, dovecot, consumer, user):
    fill_tree(dovecot, user)
    start(daemon, dovecot, user, consumer)
    failed = []

    def answer(delivery):
        if delivery.event == "mailboxNew" and not failed:
            failed.append(delivery)
            return 503
        return 200
    consumer.answer = answer
    rename(dovecot, user, "Work/Deep", "Elsewhere")
    look(daemon, user)
    wait_until(lambda: [d for d in consumer.seen("mailboxNew", user) if d.status == 200], 20, "mailboxNew")
    assert failed and len(consumer.seen("mailboxDeleted", user)) == 1


def test_another_mailbox_under_a_new_name_is_no_rename(daemon, dovecot, consumer, user):
    daemon.hooks(consumer.url, events=FINE)
    fill_tree(dovecot, user)
    start(daemon, dovecot, user, consumer)
    with dovecot.client(user) as c:
        c.delete("Work/Deep")
        c.create("Fresh")
    for n in range(6):
        dovecot.append(user, "Fresh", mail.plain(n, text="z" * (n + 9) + "\r\n"))
    consumer.wait("mailboxDeleted", user, path="Work/Deep")
    consumer.wait("mailboxNew", user, path="Fresh")
    assert not consumer.seen("mailboxRenamed")


def test_a_parent_that_is_deleted_is_gone_although_its_name_stays(daemon, dovecot, consumer, user):
    daemon.hooks(consumer.url, events=FINE)
    fill_tree(dovecot, user)
    start(daemon, dovecot, user, consumer)
    ids = {m["id"] for m in daemon.messages(user, "Work/Deep")}
    with dovecot.client(user) as c:
        c.delete("Work")
    look(daemon, user)
    consumer.wait("mailboxDeleted", user, path="Work")
    shown = {m["path"]: m for m in daemon.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}
    assert shown.get("Work", {"noSelect": True})["noSelect"]
    with dovecot.client(user) as c:
        c.create("Work")
    dovecot.append(user, "Work", mail.plain(1, message_id="<again@example.com>"))
    look(daemon, user)
    consumer.wait("mailboxNew", user, path="Work")
    wait_until(lambda: total(daemon, user, "Work") == 1, 10, "the new mailbox")
    assert len(consumer.seen("mailboxDeleted")) == 1
    assert {m["id"] for m in daemon.messages(user, "Work/Deep")} == ids


# --- UIDVALIDITY ---

def forget_uids(dovecot, user, box):
    """Dovecot gives new UIDs, and a new UIDVALIDITY, to the same files."""
    top = os.path.join(dovecot.maildir(user), "." + box)
    for name in os.listdir(top):
        if name.startswith("dovecot"):
            path = os.path.join(top, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def fill_shelf(dovecot, user, count):
    dovecot.fill(user, [mail.plain(n, text="s" * (n % 500) + "\r\n") for n in range(count)], "Shelf",
                 flags=("", "S", "F"))
    dovecot.uids(user, "Shelf")


def test_same_messages_under_new_uids_are_silent(daemon, dovecot, consumer, user):
    daemon.hooks(consumer.url, events=FINE)
    fill_shelf(dovecot, user, 300)
    start(daemon, dovecot, user, consumer)
    old = daemon.messages(user, "Shelf")
    count = len(consumer.deliveries)
    assert daemon.stop() == 0
    top = os.path.join(dovecot.maildir(user), ".Shelf", "cur")
    names = sorted(os.listdir(top))
    # Meanwhile one is marked, one goes, and two come: one of today, one of long ago.
    os.rename(os.path.join(top, names[0]), os.path.join(top, names[0] + "R"))
    os.remove(os.path.join(top, names[1]))
    forget_uids(dovecot, user, "Shelf")
    dovecot.fill(user, [mail.plain(1000, text="t" * 900, message_id="<young@example.com>")], "Shelf",
                 when=lambda i: int(time.time()))
    dovecot.fill(user, [mail.plain(1001, text="t" * 901)], "Shelf", when=lambda i: 1500000000)
    dovecot.uids(user, "Shelf")
    daemon.start()
    reset = consumer.wait("mailboxReset", user)
    assert reset.data["reason"] == "uidValidityChange" and reset.data["prevUidValidity"] != reset.data["uidValidity"]
    consumer.wait("messageNew", user, messageId="<young@example.com>")
    wait_until(lambda: total(daemon, user, "Shelf") == 301, 20, "301 messages on the shelf")
    consumer.wait("messageUpdated", user)
    consumer.wait("messageDeleted", user)
    events = [d for d in consumer.deliveries[count:]]
    assert events[0].event == "mailboxReset", "before everything else of the new epoch"
    assert sorted(d.event for d in events) == ["mailboxReset", "messageDeleted", "messageNew", "messageUpdated"]
    assert consumer.seen("messageUpdated", user)[0].data["changes"]["flags"]["added"] == ["\\Answered"]
    assert consumer.seen("messageDeleted", user)[0].data["id"] in {m["id"] for m in old}
    for m in old[:3]:
        assert daemon.request("GET", f"/v1/account/{user}/message/{m['id']}").status == 404


@pytest.mark.parametrize("after", [0.05, 0.2, 0.5])
def test_killed_while_an_index_is_rebuilt(make_daemon, redis, dovecot, consumer, user, after):
    d = make_daemon(redis.url, sync_batch_messages=100).start()
    d.hooks(consumer.url, events=FINE)
    fill_shelf(dovecot, user, 3000)
    start(d, dovecot, user, consumer)
    assert d.stop() == 0
    top = os.path.join(dovecot.maildir(user), ".Shelf", "cur")
    names = sorted(os.listdir(top))
    for name in names[:40]:
        os.rename(os.path.join(top, name), os.path.join(top, name + "R"))
    for name in names[40:80]:
        os.remove(os.path.join(top, name))
    forget_uids(dovecot, user, "Shelf")
    uids = dovecot.uids(user, "Shelf")
    assert len(uids) == 2960
    d.start()
    consumer.wait("mailboxReset", user)
    for _ in range(3):
        time.sleep(after)
        d.kill()
        d.start()
    wait_until(lambda: total(d, user, "Shelf") == 2960, 40, "the index is whole again")
    d.wait_state(user)

    def ids(event):
        return {x.id for x in consumer.seen(event, user)}
    wait_until(lambda: len(ids("messageUpdated")) == 40 and len(ids("messageDeleted")) == 40, 20,
               "every change is told")
    assert sorted(m["uid"] for m in d.messages(user, "Shelf")) == uids
    assert len(ids("mailboxReset")) == 1 and not consumer.seen("messageNew", user)


# --- what was lost ---

def test_lost_index_is_told_once_and_nothing_is_new(make_daemon, redis, dovecot, consumer, user):
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url, events=FINE)
    start(d, dovecot, user, consumer)
    arrive(dovecot, consumer, user, 3)
    old = {m["id"] for m in d.messages(user)}
    assert d.stop() == 0
    r = redis.client()
    for key in r.keys("pr:*:f:*") + r.keys("pr:*:m:*"):
        r("DEL", key)
    r.close()
    d.start()
    reset = consumer.wait("mailboxReset", user)
    assert reset.data["reason"] == "syncStateLost" and reset.json["path"] == "INBOX"
    wait_until(lambda: total(d, user, "INBOX") == 3, 20, "three messages")
    assert not old & {m["id"] for m in d.messages(user)}
    assert len(consumer.seen("messageNew", user)) == 3
    assert len(consumer.seen("mailboxReset", user)) == 1
