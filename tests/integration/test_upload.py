"""Messages composed and uploaded through the API, as Dovecot holds them and as they read back."""
import base64
import email
import email.policy
import http.client
import json
import socket

import pytest
from rig import mail

SMALL = mail.binary(100_003)


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def box(shared, dovecot, user):
    class Box:
        account = user

        def path(self, rest):
            return f"/v1/account/{user}/{rest}"

        def upload(self, **body):
            return shared.post(self.path("message"), {"path": "Drafts", **body})

        def source(self, message_id):
            reply = shared.request("GET", self.path(f"message/{message_id}/source"))
            assert reply.status == 200, reply
            return reply.body

        def parsed(self, message_id):
            return email.message_from_bytes(self.source(message_id), policy=email.policy.default)
    dovecot.fill(user, [mail.rich(attachments=[("a.bin", "application/octet-stream", SMALL)]).replace(b"\r\n", b"\n")])
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    return Box()


def test_raw_is_stored_byte_for_byte(shared, box, dovecot):
    for i, raw in enumerate((mail.rich(), mail.plain(7).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))):
        reply = box.upload(raw=b64(raw), flags=["\\Seen", "$Mine"], internalDate="2020-01-02T03:04:05.000Z")
        assert reply["path"] == "Drafts" and reply["uid"] > 0 and reply["uidValidity"].isdigit()
        assert box.source(reply["id"]) == raw, i
        assert dovecot.flags(box.account, reply["uid"], "Drafts") >= {"\\Seen", "$Mine"}
        assert shared.get(box.path(f"message/{reply['id']}"))["date"] == "2020-01-02T03:04:05.000Z"


def test_fields_replace_those_of_a_raw_message(shared, box):
    raw = b"Subject: old\r\n folded\r\nX-Keep: \xff\r\nMessage-ID: <raw@example.com>\r\n\r\nbody\r\n"
    reply = box.upload(raw=b64(raw), subject="neu ä")
    assert reply["messageId"] == "<raw@example.com>"
    source = box.source(reply["id"])
    assert b"X-Keep: \xff\r\nMessage-ID: <raw@example.com>\r\n\r\nbody\r\n" in source and b"old" not in source
    assert box.parsed(reply["id"])["subject"] == "neu ä"


def test_a_message_is_composed(shared, box):
    reply = box.upload(**{
        "from": {"name": "Jürgen Größe", "address": "juergen@example.com"},
        "to": {"name": "Ann", "address": "ann@example.com"}, "cc": [{"address": "c@example.com"}],
        "bcc": [{"address": "b@example.com"}], "subject": "Prüfung – 検証", "text": "Guten Tag\nÄ", "html": "<p>Ä<img src=cid:p>",
        "headers": {"X-Two": ["a", "b"], "List-ID": "<l.example.com>"}, "attachments": [
            {"filename": "Übersicht.bin", "content": b64(SMALL), "contentType": "application/x-thing"},
            {"filename": "p.png", "cid": "p", "contentType": "image/png", "content": b64(b"png")}]})
    m = shared.get(box.path(f"message/{reply['id']}"), textType="*")
    assert m["from"] == {"name": "Jürgen Größe", "address": "juergen@example.com"} and m["subject"] == "Prüfung – 検証"
    assert m["messageId"] == reply["messageId"] and m["bcc"][0]["address"] == "b@example.com"
    assert m["text"]["plain"].split() == ["Guten", "Tag", "Ä"] and "<p>Ä<img" in m["text"]["html"]
    assert m["headers"]["x-two"] == ["a", "b"]
    files = {a["filename"]: a for a in m["attachments"]}
    assert files["p.png"]["embedded"] is True and files["p.png"]["contentId"] == "<p>"
    assert files["Übersicht.bin"]["contentType"] == "application/x-thing"
    assert shared.request("GET", box.path(f"attachment/{files['Übersicht.bin']['id']}")).body == SMALL
    assert all(b < 128 for b in box.source(reply["id"]))
    shared.wait_state(box.account)
    assert any(row["id"] == reply["id"] for row in shared.messages(box.account, "Drafts"))


def test_an_answer_quotes_and_threads(shared, box):
    row = shared.messages(box.account)[0]
    reply = box.upload(reference={"message": row["id"], "action": "reply-all", "inline": True}, text="My answer", html="<p>Mine")
    assert reply["reference"] == {"message": row["id"], "success": True}
    m = box.parsed(reply["id"])
    assert m["in-reply-to"] == "<rich@example.com>" and m["references"].split()[-1] == "<rich@example.com>"
    assert m["subject"].startswith("Re: ") and "answers@example.com" in m["to"]
    assert m["from"].addresses[0].addr_spec == f"{box.account}@example.com"
    text = m.get_body(("plain",)).get_content()
    assert text.startswith("My answer") and "> Guten Tag" in text
    html = m.get_body(("html",)).get_content()
    assert html.startswith("<p>Mine") and "blockquote" in html
    assert any(part.get("content-id") == "<pic@example.com>" for part in m.walk())


def test_a_message_is_passed_on_with_its_attachments(shared, box):
    row = shared.messages(box.account)[0]
    reply = box.upload(reference={"message": row["id"], "action": "forward", "forwardAttachments": True}, text="See",
                       to=[{"address": "x@example.com"}])
    m = box.parsed(reply["id"])
    assert m["subject"].startswith("Fwd: ") and m["in-reply-to"] is None
    assert [part.get_content() for part in m.iter_attachments()] == [SMALL]
    entry = [a for a in row["attachments"] if a.get("filename") == "a.bin"][0]
    again = box.upload(text="one", attachments=[{"reference": entry["id"], "filename": "other.bin"}])
    parts = list(box.parsed(again["id"]).iter_attachments())
    assert [(p.get_filename(), p.get_content()) for p in parts] == [("other.bin", SMALL)]


def test_missing_references(shared, box):
    gone = shared.messages(box.account)[0]["id"][:-2] + "zz"
    reply = shared.request("POST", box.path("message"), {"path": "Drafts", "text": "x", "reference": {"message": gone}})
    assert (reply.status, reply.json["code"]) == (404, "MessageNotFound")
    reply = box.upload(text="x", reference={"message": gone, "ignoreMissing": True})
    assert reply["reference"]["success"] is False and reply["reference"]["error"]


@pytest.mark.parametrize("body, status, code", [
    ({"path": "Absent", "text": "x"}, 404, "FolderNotFound"),
    ({"text": "x"}, 400, "InputValidationError"),
    ({"path": "Drafts", "raw": "no base64"}, 400, "InputValidationError"),
    ({"path": "Drafts", "raw": b64(b"a: b\r\n\r\n\0")}, 400, "InputValidationError"),
    ({"path": "Drafts", "text": "x", "headers": {"A B": "x"}}, 400, "InputValidationError"),
    ({"path": "Drafts", "text": "x", "reference": {"message": "AAAAAQAAAAE", "forwardAttachments": True}}, 400,
     "InputValidationError"),
    ({"path": "Drafts", "attachments": [{"filename": "x"}]}, 400, "InputValidationError"),
])
def test_what_cannot_be_is_refused(shared, box, body, status, code):
    reply = shared.request("POST", box.path("message"), body)
    assert (reply.status, reply.json["code"]) == (status, code), reply.body


def test_bytes_flow_to_the_server(shared, box, dovecot):
    raw = mail.rich(attachments=[("big.bin", "application/octet-stream", mail.binary(5_000_000))])
    reply = shared.request("POST", box.path("message/source?path=Drafts&flags=%5CSeen&flags=a"), raw,
                           headers={"Content-Type": "message/rfc822"})
    assert reply.status == 200, reply
    assert box.source(reply.json["id"]) == raw
    assert dovecot.flags(box.account, reply.json["uid"], "Drafts") >= {"\\Seen", "a"}
    assert shared.request("POST", box.path("message/source?path=Drafts"), b"").status == 400
    assert shared.request("POST", box.path("message/source?path=Absent"), b"a: b\r\n").status == 404
    assert shared.request("POST", box.path("message/source?path=Drafts"), b"a: b\r\n\r\n\0").status == 400


def test_a_client_that_leaves_leaves_nothing(shared, box, dovecot):
    c = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)
    c.putrequest("POST", box.path("message/source?path=Drafts"))
    c.putheader("Authorization", f"Bearer {shared.token}")
    c.putheader("Content-Length", "1000000")
    c.endheaders()
    c.send(b"Subject: half\r\n\r\n" + b"x" * 300_000)
    c.close()
    assert box.upload(text="whole")["id"]
    assert len(dovecot.uids(box.account, "Drafts")) == 1


def test_a_message_behind_a_change_of_the_account_has_a_sender(shared, box):
    bodies = [json.dumps(b).encode() for b in ({"name": "Renamed"}, {"path": "Drafts", "subject": "s", "text": "t"})]
    lines = [f"PUT /v1/account/{box.account}", f"POST {box.path('message')}"]
    with socket.create_connection(("127.0.0.1", shared.port), 20) as s:
        s.sendall(b"".join(f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.token}\r\nContent-Type: application/json\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body for line, body in zip(lines, bodies)))
        for _ in lines:
            reply = http.client.HTTPResponse(s)
            reply.begin()
            told = json.loads(reply.read())
    sender = shared.get(box.path(f"message/{told['id']}"))["from"]
    assert sender["address"] == f"{box.account}@example.com"
