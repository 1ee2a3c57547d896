"""Gmail: one mailbox holds all, labels tell where a message is."""
import os
import sys

import pytest

from rig.process import HOST, wait_until

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "oracle"))
from fakemail import FakeMail, Mailbox  # noqa: E402

CAPABILITY = "IMAP4rev1 IDLE UIDPLUS MOVE CONDSTORE ENABLE ID SPECIAL-USE NAMESPACE LIST-EXTENDED LIST-STATUS X-GM-EXT-1"
ALL, TRASH, SPAM = "[Gmail]/All Mail", "[Gmail]/Trash", "[Gmail]/Spam"
USES = {ALL: "\\All", TRASH: "\\Trash", SPAM: "\\Junk", "[Gmail]/Important": "\\Important", "INBOX": "", "Work": ""}


class Gmail(FakeMail):
    def __init__(self, hidden=False):
        super().__init__(CAPABILITY)
        self.boxes = {name: Mailbox(1 + i, attributes=use) for i, (name, use) in enumerate(USES.items())
                      if not (hidden and name == ALL)}

    def deliver(self, *labels, box=ALL):
        with self.lock:
            self.boxes[box].add()
            m = self.boxes[box].messages[-1]
            m.labels |= set(labels)
            return m


@pytest.fixture
def begin(make_daemon, redis, consumer, user):
    servers = []

    def run(server):
        servers.append(server)
        d = make_daemon(redis.url).start()
        d.hooks(consumer.url)
        d.post("/v1/account", {"account": user, "name": user, "imap": {
            "auth": {"user": "u", "pass": "p"}, "host": HOST, "port": server.port, "secure": False}})
        d.wait_state(user)
        consumer.wait("accountInitialized", user)
        return d
    yield run
    for server in servers:
        server.close()


def selected(server):
    return {c.split('"')[1] for c in server.commands if c.startswith("SELECT")}


def test_only_all_mail_junk_and_trash_are_indexed(begin):
    server = Gmail()
    for _ in range(3):
        server.deliver("\\Inbox")
    with server.lock:
        server.boxes["INBOX"].add(3)
        server.boxes[TRASH].add(1)
        server.boxes["[Gmail]/Important"].add(1)
    begin(server)
    assert ALL.upper() in selected(server) and TRASH.upper() in selected(server)
    assert not {"INBOX", "WORK", "[GMAIL]/IMPORTANT"} & selected(server)


def test_an_arrival_is_told_once_and_by_its_labels(begin, consumer, user):
    server = Gmail()
    begin(server)
    server.deliver("\\Inbox", '"Entw&APw-rfe"')
    told = consumer.wait("messageNew", user)
    assert told.json["path"] == told.data["path"] == "INBOX" and set(told.data["labels"]) == {"\\Inbox", "Entwürfe"}
    assert told.data["emailId"] == "1600000000000000001" and told.data["seemsLikeNew"]
    server.deliver("Work")
    told = consumer.wait("messageNew", user, uid=2)
    assert (told.json["path"], told.data["labels"]) == (ALL, ["Work"])
    server.deliver("\\Sent")
    assert not consumer.wait("messageNew", user, uid=3).data["seemsLikeNew"]
    assert len(consumer.seen("messageNew")) == 3


def test_labels_that_change_are_told(begin, consumer, user):
    server = Gmail()
    m = server.deliver("\\Inbox", "Work")
    begin(server)
    with server.lock:
        server.boxes[ALL].label(m.uid, "Work")
        server.boxes[ALL].label(m.uid, "Play")
    told = consumer.wait("messageUpdated", user)
    assert told.json["path"] == "INBOX"
    added, value = set(), None
    for event in consumer.seen("messageUpdated"):
        change = event.data["changes"]["labels"]
        added |= set(change.get("added", ()))
        value = change["value"]
    assert "Play" in added
    assert "flags" not in told.data["changes"] and "Work" not in value
    # Flags, of which the server tells without labels, leave these as they are.
    with server.lock:
        server.boxes[ALL].flag(m.uid, "\\Seen")
    wait_until(lambda: any("flags" in e.data["changes"] for e in consumer.seen("messageUpdated")), 20, "the flags")
    last = [e for e in consumer.seen("messageUpdated") if "flags" in e.data["changes"]][-1]
    assert last.data["changes"]["flags"]["value"] == ["\\Seen"] and last.json["path"] == "INBOX"


def test_a_label_has_its_listing(begin, user):
    server = Gmail()
    with server.lock:
        server.boxes["INBOX"].add(2)
        server.boxes["Work"].add(1)
    m = server.deliver("\\Inbox", "Work")
    d = begin(server)
    assert (d.page(user, "INBOX")["total"], d.page(user, "Work")["total"]) == (2, 1)
    listed = d.messages(user, ALL)
    assert [(x["uid"], set(x["labels"])) for x in listed] == [(m.uid, {"Work", "\\Inbox"})]
    assert set(d.get(f"/v1/account/{user}/message/{listed[0]['id']}")["labels"]) == {"Work", "\\Inbox"}


def test_what_goes_to_trash_has_moved(begin, consumer, user):
    server = Gmail()
    m = server.deliver("\\Inbox")
    begin(server)
    with server.lock:
        server.boxes[ALL].remove(m.uid)
        server.boxes[TRASH].add()
        server.boxes[TRASH].messages[-1].number = 1600000000000000000 + m.uid
    wait_until(lambda: consumer.seen("messageDeleted") or consumer.seen("messageMoved"), 20, "the departure")
    arrival = consumer.wait("messageNew", user, path=TRASH, seconds=20)
    assert arrival.data["uid"] == 1


def test_hidden_all_mail_leaves_an_ordinary_server(begin, consumer, user):
    server = Gmail(hidden=True)
    d = begin(server)
    server.deliver(box="INBOX")
    assert consumer.wait("messageNew", user).json["path"] == "INBOX"
    assert "All Mail is hidden" in d.log()
