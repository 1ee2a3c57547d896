"""What the notify* settings add to new messages, field for field."""
import base64

from rig import mail
from test_webhook import EVENTS, account, mismatches  # noqa: F401 (a fixture)

INVITATION = b"\r\n".join([
    b"BEGIN:VCALENDAR", b"METHOD:REQUEST", b"BEGIN:VEVENT", b"UID:meeting-1@example.com", b"SUMMARY:Planning",
    b"DESCRIPTION:First\\nsecond", b"DTSTART:20260302T090000Z", b"DTEND:20260302T100000Z",
    b"ORGANIZER;CN=Ann:mailto:ann@example.com", b"END:VEVENT", b"END:VCALENDAR", b""])
PDF = b"%PDF-" * 100


def told(dovecot, consumer, user, **more):
    dovecot.deliver(user, mail.rich(attachments=[("a.pdf", "application/pdf", PDF), ("invite.ics", "text/calendar", INVITATION)],
                                    **more))
    data = consumer.wait("messageNew", user, messageId=more["message_id"]).data
    wrong = list(mismatches(data, EVENTS["messageNew"]["data"], "data"))
    assert not wrong, wrong
    return data


def test_text_headers_attachments_and_invitations(daemon, dovecot, consumer, account):  # noqa: F811
    daemon.hooks(consumer.url, notifyText=True, notifyAttachments=True, notifyCalendarEvents=True,
                 notifyHeaders=["In-Reply-To", "received", "X-None"])
    data = told(dovecot, consumer, account, message_id="<one@example.com>")
    assert data["text"]["plain"].startswith("Guten Tag") and data["text"]["html"].startswith("<p>")
    assert data["text"]["hasMore"] is False and "webSafe" not in data["text"]
    assert set(data["headers"]) == {"in-reply-to", "received"}
    assert data["headers"]["in-reply-to"] == ["<earlier@example.com>"]
    parts = {a.get("filename", a["contentType"]): a for a in data["attachments"]}
    assert base64.b64decode(parts["a.pdf"]["content"]) == PDF
    assert base64.b64decode(parts["image/png"]["content"]) == mail.binary(500)
    event, = data["calendarEvents"]
    assert base64.b64decode(event["content"]) == INVITATION
    assert {k: v for k, v in event.items() if k != "content"} == {
        "eventId": "meeting-1@example.com", "attachment": parts["invite.ics"]["id"], "method": "REQUEST", "summary": "Planning",
        "description": "First\nsecond", "startDate": "2026-03-02T09:00:00.000Z", "endDate": "2026-03-02T10:00:00.000Z",
        "organizer": "mailto:ann@example.com", "filename": "invite.ics", "contentType": "text/calendar", "encoding": "base64"}


def test_sizes_are_kept_to_and_html_is_made_safe(daemon, dovecot, consumer, account):  # noqa: F811
    daemon.hooks(consumer.url, notifyText=True, notifyWebSafeHtml=True, notifyTextSize=5, notifyAttachments=True,
                 notifyAttachmentSize=600, inboxNewOnly=True, notifyHeaders=["*"])
    data = told(dovecot, consumer, account, message_id="<two@example.com>")
    assert data["text"]["plain"] == "Guten" and data["text"]["hasMore"] is True and data["text"]["webSafe"] is True
    assert "<script" not in data["text"]["html"] and len(data["headers"]) > 5
    told_of = {a.get("filename", a["contentType"]): "content" in a for a in data["attachments"]}
    assert told_of == {"image/png": False, "a.pdf": False, "invite.ics": True}
    assert "calendarEvents" not in data
    with dovecot.client(account) as c:
        c.create("Other")
    dovecot.append(account, "Other", mail.plain(1, message_id="<elsewhere@example.com>"))
    told(dovecot, consumer, account, message_id="<three@example.com>")
    assert not consumer.seen("messageNew", account, messageId="<elsewhere@example.com>")


def test_nothing_more_than_asked_for(daemon, dovecot, consumer, account):  # noqa: F811
    daemon.hooks(consumer.url, notifyWebSafeHtml=True, notifyAttachmentSize=5)
    data = told(dovecot, consumer, account, message_id="<four@example.com>")
    assert set(data["text"]) == {"id", "encodedSize"} and "headers" not in data and "calendarEvents" not in data
    assert not [a for a in data["attachments"] if "content" in a]
