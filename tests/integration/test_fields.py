"""Fields of answers that depend on what the mail server offers, or on the kind of a message."""
import re
import socket

import pytest
from rig import mail
from rig.imap import Imap
from rig.process import HOST, wait_until

ANSWER = (b"From: Bob <bob@example.com>\r\nTo: ann@example.com\r\nSubject: Automatic reply: hello\r\n"
          b"In-Reply-To: <one@example.com>\r\nMessage-ID: <two@example.com>\r\n\r\nI am away until Monday.\r\n")
ENCLOSING = (b"From: a@example.com\r\nSubject: fwd\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
             b"--o\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n"
             b"Subject: inner\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
             b"--i\r\nContent-Type: text/plain\r\n\r\ninner text\r\n--i\r\nContent-Type: application/pdf; name=in.pdf\r\n\r\n"
             b"%PDF inner\r\n--i--\r\n--o\r\nContent-Type: application/pdf; name=out.pdf\r\n\r\n%PDF outer\r\n--o--\r\n")
BOUNCE = (b"From: MAILER-DAEMON@example.com\r\nTo: ann@example.com\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n"
          b"--r\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\n"
          b"Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; bob@example.com\r\nAction: failed\r\n"
          b"Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\nFinal-Recipient: rfc822; eve@example.com\r\n"
          b"Action: delayed\r\n\r\n--r\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <one@example.com>\r\n\r\n--r--\r\n")


class WithQuota(Imap):
    def __init__(self, quota, word=b" QUOTA"):
        super().__init__()
        self.quota, self.word = quota, word

    def answer(self, command, rest):
        if command == b"GETQUOTAROOT":
            return self.quota
        said = super().answer(command, rest)
        return said.replace(b" UIDPLUS", b" UIDPLUS" + self.word) if b"CAPABILITY" in said else said


def quota_of(shared, fake, user, *how):
    server = WithQuota(*how)
    shared.add_account(user, None, host=HOST, port=fake(server).port, secure=False)
    shared.wait_state(user)
    quota = shared.get(f"/v1/account/{user}", quota="true")["quota"]
    assert "quota" not in shared.account(user)
    shared.delete(f"/v1/account/{user}")
    return quota, server.commands.count(b"GETQUOTAROOT")


def test_quota_of_an_account(shared, fake, user):
    one = b'* QUOTAROOT INBOX "" files\r\n* QUOTA files (MESSAGE 1 5)\r\n* QUOTA "" (STORAGE 25 100)\r\n'
    assert quota_of(shared, fake, user, one) == ({"usage": 25600, "limit": 102400, "status": "25%"}, 1)
    assert quota_of(shared, fake, user, b"* QUOTAROOT INBOX\r\n") == (False, 1)
    assert quota_of(shared, fake, user, b"", b"") == (False, 0)


def test_fields_of_listings_and_details(shared, dovecot, user):
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    for message in (ANSWER, ENCLOSING, mail.plain(3, subject="plain")):
        dovecot.deliver(user, message)
    wait_until(lambda: shared.page(user)["total"] == 3, 15, "all three")
    rows = {row["subject"]: row for row in shared.messages(user)}
    assert [rows[s].get("isAutoReply") for s in ("Automatic reply: hello", "fwd", "plain")] == [True, None, None]
    parts = rows["fwd"]["attachments"]
    assert [(a["contentType"], a.get("filename"), a["encodedInMessage"]) for a in parts] == [
        ("message/rfc822", None, False), ("application/pdf", "in.pdf", True), ("application/pdf", "out.pdf", False)]
    bodies = [shared.request("GET", f"/v1/account/{user}/attachment/{a['id']}").body for a in parts[1:]]
    assert [b.strip() for b in bodies] == [b"%PDF inner", b"%PDF outer"]
    details = {s: shared.get(f"/v1/account/{user}/message/{row['id']}") for s, row in rows.items()}
    assert details["Automatic reply: hello"]["preview"].startswith("I am away")
    assert details["fwd"]["preview"].startswith("see below")


def test_what_a_bounce_says(shared, dovecot, user):
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    dovecot.deliver(user, BOUNCE)
    wait_until(lambda: shared.page(user)["total"] == 1, 15, "it is there")
    row = shared.messages(user)[0]
    for query in ("", "?textType=*", "?webSafeHtml=true"):
        message = shared.get(f"/v1/account/{user}/message/{row['id']}{query}")
        assert message["bounces"] == [
            {"message": row["id"], "recipient": "bob@example.com", "action": "failed", "date": row["date"],
             "response": {"message": "550 5.1.1 no such user", "status": "5.1.1"}},
            {"message": row["id"], "recipient": "eve@example.com", "action": "delayed", "date": row["date"], "response": {}}]
        assert "plain" not in message["text"] or message["text"]["plain"].strip() == "It did not arrive."


def test_where_special_uses_come_from(shared, fake, dovecot, user):
    def tried(host, port):
        imap = {"auth": {"user": user, "pass": "secret"}, "host": host, "port": port, "secure": False}
        boxes = shared.post("/v1/verifyAccount", {"imap": imap, "mailboxes": True})["mailboxes"]
        return {b["path"]: (b.get("specialUse"), b.get("specialUseSource")) for b in boxes}
    server = Imap(boxes=("INBOX", "Sent Items", "a/Trash", "Other"))
    assert tried(HOST, fake(server).port) == {
        "INBOX": (None, None), "Sent Items": ("\\Sent", "name"), "a/Trash": ("\\Trash", "name"), "Other": (None, None)}


class Texts(Imap):
    """Has a body. strict: refuses what a message does not have, as some servers do. dies: in the middle of so many
    answers, with the row sent."""

    def __init__(self, strict=False, text=b"hello", dies=0):
        super().__init__(self.fetch)
        self.strict, self.text, self.dies, self.asked = strict, text, dies, []

    def fetch(self, _, command, tag, rest, s):
        if command != b"UID FETCH" or b"BODY.PEEK" not in rest:
            return False
        self.asked.append(rest)
        if self.strict and b"BODY.PEEK[1.1]" in rest:
            s.sendall(tag + b" BAD there is no such part\r\n")
            return True
        row = self.row(1).rstrip()[:-1]
        for section, most in re.findall(rb"BODY.PEEK\[([^\]]*)\](?:<0.(\d+)>)?", rest):
            text = {b"HEADER": b"Subject: s\r\n\r\n", b"1": self.text}.get(section, b"")
            text = text[:int(most)] if most else text
            row += b" BODY[%s]%s {%d}\r\n%s" % (section, b"<0>" if most else b"", len(text), text)
        s.sendall(row + b")\r\n")
        if self.dies > 0 and b"BODY.PEEK[1]" in rest:
            self.dies, self.strict = self.dies - 1, True
            s.shutdown(socket.SHUT_RDWR)
        else:
            s.sendall(tag + b" OK done\r\n")
        return True


@pytest.mark.parametrize("strict, commands", [(False, (1, 1)), (True, (3, 2))])
def test_text_comes_with_its_message(shared, fake, user, strict, commands):
    server = Texts(strict)
    shared.add_account(user, None, host=HOST, port=fake(server).port, secure=False)
    shared.wait_state(user)
    first = shared.messages(user)[-1]["id"]
    for count in commands:
        server.asked = []
        message = shared.get(f"/v1/account/{user}/message/{first}", textType="*")
        assert message["text"]["plain"] == "hello" and not message["text"]["hasMore"]
        assert message["headers"] == {"subject": ["s"]}
        assert len(server.asked) == count
    server.asked = []
    assert shared.get(f"/v1/account/{user}/text/{message['text']['id']}")["plain"] == "hello"
    assert len(server.asked) == 1


def text_of(shared, fake, user, server):
    shared.add_account(user, None, host=HOST, port=fake(server).port, secure=False)
    shared.wait_state(user)
    first = shared.messages(user)[-1]["id"]
    return shared.get(f"/v1/account/{user}/message/{first}", textType="*")["text"]


def test_no_text_is_cut_where_its_size_is_told_too_small(shared, fake, user):
    long = b"word " * 20_000  # the structure says 5 bytes
    text = text_of(shared, fake, user, Texts(text=long))
    assert text["plain"] == long.decode() and not text["hasMore"]


def test_text_is_there_when_its_connection_ended_behind_it(shared, fake, user):
    text = text_of(shared, fake, user, Texts(dies=1))  # and what comes next refuses absent parts
    assert text["plain"] == "hello"
