"""A running daemon with an account whose mailbox holds one of everything, and what a case takes from it."""
import itertools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "integration"))

from rig import mail  # noqa: E402
from rig.dovecot import PASSWORD  # noqa: E402

USER = "compat"
SPARE = 12
BOUNCE = b"""From: Mail Delivery System <MAILER-DAEMON@example.com>
To: ann@example.com
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce@example.com>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

I could not deliver it.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; nobody@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: message/rfc822

Message-ID: <plain-1@example.com>
Subject: Message 1

Hello.
--b--
"""
CALENDAR = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
AUTO = b"From: a@example.com\nSubject: Away\nAuto-Submitted: auto-replied\nMessage-ID: <away@example.com>\n\nAway.\n"


def _lf(data):
    return data.replace(b"\r\n", b"\n")


class World:
    def __init__(self, daemon, dovecot):
        self.daemon, self.dovecot, self.account = daemon, dovecot, USER
        self._numbers = itertools.count(1)
        messages = [_lf(mail.plain(i)) for i in range(SPARE)]
        rich = mail.rich(attachments=(("data.bin", "application/octet-stream", mail.binary(3000)),
                                      ("invite.ics", "text/calendar", CALENDAR)))
        dovecot.fill(USER, messages + [BOUNCE, AUTO, _lf(rich)], flags=("S", "", "SFRD"))
        daemon.add_account(USER, dovecot)
        daemon.wait_state(USER)
        self.rows = daemon.messages(USER)
        self._spare = [row["id"] for row in self.rows if row.get("subject", "").startswith("Message ")]
        self.rich = next(row["id"] for row in self.rows if row["messageId"] == "<rich@example.com>")
        self.detail = daemon.get(f"/v1/account/{USER}/message/{self.rich}")

    def number(self):
        return next(self._numbers)

    def spare_message(self):
        """The id of a message that nobody else gets."""
        return self._spare.pop()

    def spare_account(self):
        """The id of an account that nobody else gets."""
        name = f"spare{self.number()}"
        self.daemon.add_account(name, self.dovecot)
        self.daemon.wait_state(name)
        return name

    def spare_mailbox(self):
        name = f"Box{self.number()}"
        with self.dovecot.client(USER) as c:
            assert c.create(name)[0] == "OK"
        return name

    def spare_token(self):
        return self.daemon.post("/v1/tokens", {"account": USER, "description": "spare", "scopes": ["api"]})["token"]

    def used_token(self):
        """A token that has been used while the use of tokens is logged."""
        self.daemon.post("/v1/settings", {"tokenAuditLog": True})
        token = self.spare_token()
        self.daemon.call("GET", f"/v1/account/{USER}", token=token)
        return token

    def route(self):
        """The id of a route of webhooks; of one that is not there while none can be made."""
        made = self.daemon.request("POST", "/v1/webhookRoutes/webhookRoute",
                                   {"name": "route", "targetUrl": "https://example.com/hook", "enabled": False})
        return made.json["id"] if made.status == 200 else "none"

    def imap(self, **more):
        return {"auth": {"user": USER, "pass": PASSWORD}, "host": "localhost", "port": self.dovecot.imaps,
                "secure": True, **more}
