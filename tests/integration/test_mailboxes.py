"""Mailboxes made, renamed, subscribed to and deleted through the API, as Dovecot and the events have them."""
import pytest
from rig import mail
from rig.daemon import ApiError
from rig.process import wait_until


@pytest.fixture
def box(shared, dovecot, user):
    class Box:
        account = user
        path = f"/v1/account/{user}/mailbox"

        def rows(self, **query):
            return {m["path"]: m for m in shared.get(f"/v1/account/{user}/mailboxes", **query)["mailboxes"]}

        def subscribed(self):
            with dovecot.client(user) as c:
                return {line.decode().split(' "/" ')[-1].strip('"') for line in c.lsub()[1] if line}

        def told(self):
            events = shared.get(f"/v1/account/{user}/events", limit=1000)["events"]
            return [(e["event"], e["data"].get("path") or e.get("path")) for e in events if e["event"].startswith("mailbox")]
    dovecot.fill(user, [mail.plain(i) for i in range(3)])
    dovecot.fill(user, [mail.plain(i) for i in range(4)], mailbox="Work")
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    return Box()


def test_a_mailbox_is_made_renamed_and_deleted(shared, box):
    assert shared.post(box.path, {"path": "Projects"}) == {"path": "Projects", "created": True}
    assert box.rows()["Projects"]["subscribed"] is True and "Projects" in box.subscribed()
    assert shared.post(box.path, {"path": ["Projects", "Übung & mehr"]})["path"] == "Projects/Übung & mehr"
    row = box.rows()["Projects/Übung & mehr"]
    assert row["name"] == "Übung & mehr" and row["parentPath"] == "Projects" and row["messages"] == 0
    assert shared.post(box.path, {"path": "Projects"}) == {"path": "Projects", "created": False}
    reply = shared.put(box.path, {"path": "Projects/Übung & mehr", "newPath": ["Done", "2026"]})
    assert reply == {"path": "Projects/Übung & mehr", "newPath": "Done/2026", "renamed": True}
    rows = box.rows()
    assert "Done/2026" in rows and "Projects/Übung & mehr" not in rows and rows["Done/2026"]["subscribed"] is True
    assert shared.delete(box.path, path="Done/2026") == {"path": "Done/2026", "deleted": True}
    assert "Done/2026" not in box.rows() and "Done/2026" not in box.subscribed()
    names = [name for name, _ in box.told()]
    assert names.count("mailboxDeleted") == 1, box.told()
    assert names.count("mailboxRenamed") == 1, box.told()
    paths = [path for name, path in box.told() if name == "mailboxNew"]
    assert sorted(paths) == sorted(set(paths)), paths


def test_a_renamed_mailbox_keeps_its_messages(shared, box):
    ids = [m["id"] for m in shared.messages(box.account, "Work")]
    shared.messages(box.account, "Work")  # the connection that has it selected lies idle
    shared.put(box.path, {"path": "Work", "newPath": "Play"})
    assert [m["id"] for m in shared.messages(box.account, "Play")] == ids
    assert [e for e in box.told() if e[0] == "mailboxRenamed"] != []
    assert [e for e in box.told() if e[0] in ("mailboxNew", "mailboxDeleted") and e[1] in ("Work", "Play")] == []


def test_a_mailbox_with_messages_is_deleted(shared, box):
    shared.messages(box.account, "Work")
    assert shared.delete(box.path, path="Work")["deleted"] is True
    assert "Work" not in box.rows()
    with pytest.raises(ApiError) as e:
        shared.page(box.account, "Work")
    assert e.value.reply.status == 404
    wait_until(lambda: shared.account(box.account)["state"] == "connected", 5, "still connected")
    assert [e for e in box.told() if e[0] == "mailboxDeleted"] != []


def test_subscriptions(shared, box):
    assert shared.put(box.path, {"path": "Work", "subscribed": True}) == {"path": "Work", "subscribed": True}
    assert "Work" in box.subscribed() and box.rows()["Work"]["subscribed"] is True
    assert shared.put(box.path, {"path": "Work", "subscribed": False})["subscribed"] is False
    assert "Work" not in box.subscribed() and box.rows()["Work"]["subscribed"] is False


@pytest.mark.parametrize("method, body, query, status, code", [
    ("POST", {}, "", 400, "InputValidationError"),
    ("POST", {"path": ""}, "", 400, "InputValidationError"),
    ("POST", {"path": "x" * 257}, "", 400, "InputValidationError"),
    ("POST", {"path": ["a", ""]}, "", 400, "InputValidationError"),
    ("PUT", {"path": "Work"}, "", 400, "InputValidationError"),
    ("PUT", {"path": "Absent", "newPath": "Other"}, "", 404, "FolderNotFound"),
    ("PUT", {"path": "Work", "newPath": "INBOX"}, "", 409, "Conflict"),
    ("DELETE", None, "?path=Absent", 404, "FolderNotFound"),
    ("DELETE", None, "", 400, "InputValidationError"),
])
def test_what_cannot_be_is_refused(shared, box, method, body, query, status, code):
    reply = shared.request(method, box.path + query, body)
    assert (reply.status, reply.json["code"]) == (status, code), reply.body


def test_counters(shared, box):
    rows = box.rows(counters=True)
    assert rows["Work"]["status"]["messages"] == 4 and rows["Work"]["status"]["unseen"] == 2
    assert rows["INBOX"]["specialUse"] == "\\Inbox"
