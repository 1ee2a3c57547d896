"""What happens in mailboxes reaches the index and the consumer."""
from rig import mail
from rig.daemon import ApiError
from rig.process import wait_until


def start(daemon, dovecot, user, consumer):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    consumer.wait("accountInitialized", user)


def total(daemon, user, path="INBOX"):
    return daemon.page(user, path)["total"]


def test_several_accounts_and_mailboxes_are_indexed(daemon, dovecot, consumer, new_user):
    users = [new_user() for _ in range(4)]
    for n, user in enumerate(users):
        dovecot.fill(user, mail.many(30 + n))
        dovecot.fill(user, mail.many(7), "Projects")
        dovecot.fill(user, mail.many(3), "Projects.Gr&APYA3w-e")
        daemon.add_account(user, dovecot)
    for n, user in enumerate(users):
        daemon.wait_state(user)
        assert total(daemon, user) == 30 + n
        assert total(daemon, user, "Projects") == 7
        assert total(daemon, user, "Projects/Größe") == 3
        paths = {m["path"] for m in daemon.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}
        assert {"INBOX", "Sent", "Drafts", "Trash", "Junk", "Projects", "Projects/Größe"} <= paths
    assert not consumer.seen("messageNew"), "messages that were there before are not news"


def test_special_use_of_mailboxes_is_told(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user, consumer)
    boxes = {m["path"]: m for m in daemon.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}
    for path, use in (("INBOX", "\\Inbox"), ("Sent", "\\Sent"), ("Trash", "\\Trash"), ("Drafts", "\\Drafts")):
        assert boxes[path]["specialUse"] == use
        assert boxes[path]["delimiter"] == "/"


def test_delivered_message_is_announced_with_its_content(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user, consumer)
    dovecot.deliver(user, mail.plain(1, subject="Grüße", message_id="<new-1@example.com>"))
    told = consumer.wait("messageNew", user, messageId="<new-1@example.com>")
    assert told.json["path"] == "INBOX"
    assert told.data["path"] == "INBOX" and told.data["uid"] == 1
    assert told.data["subject"] == "Grüße"
    assert told.data["from"] == {"name": "Ann Sender", "address": "ann@example.com"}
    assert told.data["unseen"] is True
    assert daemon.get(f"/v1/account/{user}/message/{told.data['id']}")["subject"] == "Grüße"


def test_burst_of_deliveries_is_announced_once_each_in_order(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user, consumer)
    ids = [f"<burst-{i}@example.com>" for i in range(50)]
    for i, message_id in enumerate(ids):
        dovecot.deliver(user, mail.plain(i, message_id=message_id))
    consumer.wait("messageNew", user, count=50, seconds=20)
    assert [d.data["messageId"] for d in consumer.seen("messageNew", user)] == ids
    assert total(daemon, user) == 50


def test_message_appended_to_another_mailbox_is_announced(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user, consumer)
    dovecot.append(user, "Archive", mail.plain(1, message_id="<arch@example.com>"), "(\\Seen)")
    told = consumer.wait("messageNew", user, messageId="<arch@example.com>")
    assert told.json["path"] == "Archive" and told.json["specialUse"] == "\\Archive"
    assert told.data["flags"] == ["\\Seen"]


def test_flag_changes_are_announced(daemon, dovecot, consumer, user):
    dovecot.append(user, "INBOX", mail.plain(1))
    dovecot.append(user, "Archive", mail.plain(2), "(\\Seen)")
    start(daemon, dovecot, user, consumer)
    dovecot.store(user, 1, "+FLAGS (\\Flagged $Work)")
    told = consumer.wait("messageUpdated", user, uid=1)
    flags = told.data["changes"]["flags"]
    assert set(flags["added"]) == {"\\Flagged", "$Work"}
    assert {"\\Flagged", "$Work"} <= set(flags["value"])
    assert "deleted" not in flags
    dovecot.store(user, 1, "-FLAGS (\\Seen)", "Archive")
    elsewhere = wait_until(lambda: [d for d in consumer.seen("messageUpdated", user) if d.json["path"] == "Archive"],
                           15, "messageUpdated in Archive")[0]
    assert elsewhere.data["changes"]["flags"] == {"deleted": ["\\Seen"], "value": []}


def test_deletions_are_announced(daemon, dovecot, consumer, user):
    for n in range(5):
        dovecot.append(user, "INBOX", mail.plain(n))
        dovecot.append(user, "Archive", mail.plain(10 + n))
    start(daemon, dovecot, user, consumer)
    ids = {m["uid"]: m["id"] for m in daemon.messages(user)}
    dovecot.expunge(user, [2, 4])
    for uid in (2, 4):
        told = consumer.wait("messageDeleted", user, uid=uid)
        assert told.json["path"] == "INBOX" and told.data["id"] == ids[uid]
    assert [m["uid"] for m in daemon.messages(user)] == [5, 3, 1]
    assert daemon.request("GET", f"/v1/account/{user}/message/{ids[2]}").status == 404
    dovecot.expunge(user, 3, "Archive")
    wait_until(lambda: [d for d in consumer.seen("messageDeleted", user, uid=3) if d.json["path"] == "Archive"],
               15, "messageDeleted in Archive")
    assert total(daemon, user, "Archive") == 4


def test_mailbox_created_elsewhere_is_announced_and_watched(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user, consumer)
    with dovecot.client(user) as c:
        c.create("Later/Deep")
    told = consumer.wait("mailboxNew", user, path="Later/Deep")
    assert told.data["name"] == "Deep" and told.json["path"] == "Later/Deep"
    dovecot.append(user, "Later/Deep", mail.plain(1, message_id="<deep@example.com>"))
    consumer.wait("messageNew", user, messageId="<deep@example.com>")


def test_mailbox_deleted_elsewhere_is_announced(daemon, dovecot, consumer, user):
    with dovecot.client(user) as c:
        c.create("Old")
    dovecot.append(user, "Old", mail.plain(1))
    start(daemon, dovecot, user, consumer)
    assert total(daemon, user, "Old") == 1
    with dovecot.client(user) as c:
        c.delete("Old")
    told = consumer.wait("mailboxDeleted", user, seconds=20)
    assert told.data["path"] == "Old"
    assert daemon.request("GET", f"/v1/account/{user}/messages?path=Old").status == 404


def test_mailbox_recreated_with_another_uidvalidity_is_indexed_afresh(daemon, dovecot, consumer, user):
    with dovecot.client(user) as c:
        c.create("Reborn")
    dovecot.append(user, "Reborn", mail.plain(1))
    start(daemon, dovecot, user, consumer)
    old = daemon.messages(user, "Reborn")[0]["id"]
    with dovecot.client(user) as c:
        c.delete("Reborn")
        c.create("Reborn")
    for n in (2, 3):
        dovecot.append(user, "Reborn", mail.plain(n))

    def look():
        try:
            return total(daemon, user, "Reborn") == 2
        except ApiError as e:
            # Dovecot ends sessions whose mailbox was replaced.
            assert e.reply.status in (404, 502, 503), e
            return False
    wait_until(look, 20, "two messages in Reborn")
    assert daemon.request("GET", f"/v1/account/{user}/message/{old}").status == 404


def test_changes_made_while_the_daemon_was_down_are_announced(daemon, dovecot, consumer, user):
    for n in range(10):
        dovecot.append(user, "INBOX", mail.plain(n))
    start(daemon, dovecot, user, consumer)
    assert daemon.stop() == 0
    dovecot.deliver(user, mail.plain(50, message_id="<while-down@example.com>"))
    dovecot.append(user, "Archive", mail.plain(51, message_id="<down-archive@example.com>"))
    dovecot.store(user, 3, "+FLAGS (\\Answered)")
    dovecot.expunge(user, 7)
    daemon.start()
    consumer.wait("messageNew", user, messageId="<while-down@example.com>")
    consumer.wait("messageNew", user, messageId="<down-archive@example.com>")
    assert consumer.wait("messageUpdated", user, uid=3).data["changes"]["flags"]["added"] == ["\\Answered"]
    consumer.wait("messageDeleted", user, uid=7)
    assert total(daemon, user) == 10
    assert len(consumer.seen("accountInitialized", user)) == 1


def test_paging_shows_every_message_once_newest_first(daemon, dovecot, user):
    dovecot.fill(user, mail.many(2000, "page"))
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    uids = sorted(dovecot.uids(user), reverse=True)
    first = daemon.page(user, size=100)
    assert (first["total"], first["page"], first["pages"]) == (2000, 0, 20)
    assert [m["uid"] for m in daemon.messages(user, size=100)] == uids
    # By cursor too, with a size that does not divide the number.
    seen, page = [], daemon.page(user, size=333)
    while True:
        seen += page["messages"]
        if not page["nextPageCursor"]:
            break
        page = daemon.get(f"/v1/account/{user}/messages", path="INBOX", pageSize=333, cursor=page["nextPageCursor"])
    assert [m["uid"] for m in seen] == uids
    assert len({m["id"] for m in seen}) == 2000
    subjects = {m["uid"]: m["subject"] for m in seen}
    assert len(set(subjects.values())) == 2000
    assert daemon.page(user, page=99, size=100)["messages"] == []
