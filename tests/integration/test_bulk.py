"""Changes of all messages that a search finds, as Dovecot has them."""
import pytest
from rig import mail
from rig.process import wait_until


@pytest.fixture
def box(shared, dovecot, user):
    class Box:
        account = user

        def put(self, rest, body, status=200):
            reply = shared.request("PUT", f"/v1/account/{user}/messages{rest}", body)
            assert reply.status == status, reply.body
            return reply.json
    dovecot.fill(user, [mail.plain(i).replace(b"\r\n", b"\n") for i in range(1203)])
    dovecot.fill(user, [], mailbox="Done")
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    return Box()


def test_flags_moves_and_deletions(shared, box, dovecot):
    reply = box.put("?path=INBOX", {"search": {"uid": "1:1100"}, "update": {"flags": {"add": ["\\Flagged", "x"]}}})
    assert reply == {"flags": {"add": True}}
    assert len(dovecot.uids(box.account, criteria="FLAGGED KEYWORD x")) == 1100
    reply = box.put("?path=INBOX", {"search": {"uid": "5000"}, "update": {"flags": {"delete": ["x"]}}})
    assert reply == {"flags": {"delete": False}}

    old = {m["uid"]: m["id"] for m in shared.messages(box.account)}
    reply = box.put("/move?path=INBOX", {"search": {"flagged": True}, "path": "Done"})
    assert reply["path"] == "Done" and len(reply["idMap"]) == 1100
    assert {pair[0] for pair in reply["idMap"]} == {old[uid] for uid in range(1, 1101)}
    wait_until(lambda: len(shared.messages(box.account, "Done")) == 1100, 10, "moved")
    assert {pair[1] for pair in reply["idMap"]} == {m["id"] for m in shared.messages(box.account, "Done")}
    subjects = {m["id"]: m["subject"] for m in shared.messages(box.account, "Done")}
    assert all(subjects[new] for _, new in reply["idMap"])

    reply = box.put("/delete?path=INBOX", {"search": {"uid": "1101:1110"}})
    assert reply["deleted"] is False and reply["moved"]["destination"] == "Trash" and len(reply["moved"]["idMap"]) == 10
    reply = box.put("/delete?path=INBOX&force=true", {"search": {"uid": "1111:1120"}})
    assert reply == {"deleted": True}
    assert box.put("/delete?path=Trash", {"search": {}}) == {"deleted": True}
    assert len(dovecot.uids(box.account)) == 83 and dovecot.uids(box.account, "Trash") == []
    assert box.put("/delete?path=INBOX&force=true", {"search": {"subject": "no such thing"}}) == {"deleted": False}


@pytest.mark.parametrize("rest, body, status", [
    ("?path=INBOX", {"update": {"flags": {"add": ["x"]}}}, 400),
    ("", {"search": {}, "update": {}}, 400),
    ("?path=Absent", {"search": {}, "update": {"flags": {"add": ["x"]}}}, 404),
    ("/move?path=INBOX", {"search": {}, "path": "Absent"}, 404),
    ("/move?path=INBOX", {"search": {}}, 400),
])
def test_what_cannot_be_is_refused(shared, user, dovecot, rest, body, status):
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    reply = shared.request("PUT", f"/v1/account/{user}/messages{rest}", body)
    assert reply.status == status, reply.body
