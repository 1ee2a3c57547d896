"""A running daemon with an account whose mailbox holds one of everything, and what a case takes from it."""
import itertools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "integration"))

from rig import mail  # noqa: E402
from rig.dovecot import PASSWORD  # noqa: E402
from rig.process import wait_until  # noqa: E402

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
INVITATION = b"""From: a@example.com
Bcc: Bo <bo@example.com>
Subject: Invitation
Message-ID: <invitation@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Come.
--b
Content-Type: text/calendar; method=REQUEST; name=invite.ics
Content-Disposition: attachment; filename=invite.ics

BEGIN:VCALENDAR
METHOD:REQUEST
END:VCALENDAR
--b--
"""
AUTO = b"From: a@example.com\nSubject: Away\nAuto-Submitted: auto-replied\nMessage-ID: <away@example.com>\n\nAway.\n"


def _lf(data):
    return data.replace(b"\r\n", b"\n")


class World:
    def __init__(self, daemon, dovecot):
        self.daemon, self.dovecot, self.account = daemon, dovecot, USER
        self._numbers, self._full = itertools.count(1), False
        messages = [_lf(mail.plain(i)) for i in range(SPARE)]
        rich = mail.rich(attachments=(("data.bin", "application/octet-stream", mail.binary(3000)),))
        dovecot.fill(USER, messages + [BOUNCE, AUTO, INVITATION, _lf(rich)], flags=("S", "", "SFRD"))
        daemon.add_account(USER, dovecot, logs=True)
        daemon.wait_state(USER)
        daemon.call("POST", "/v1/blocklist/list.example.com", {"account": USER, "recipient": "old@example.com"},
                    headers={"User-Agent": "compat"})
        self.rows = daemon.messages(USER)
        self._spare = [row["id"] for row in self.rows if row.get("subject", "").startswith("Message ")]
        self.rich = next(row["id"] for row in self.rows if row["messageId"] == "<rich@example.com>")
        # Threads are found behind the first index.
        wait_until(lambda: "threadId" in daemon.get(f"/v1/account/{USER}/message/{self.rich}"), 30, "threads")
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

    def full_account(self):
        """The id of an account with all that can be said of one; its servers are none."""
        if self._full:
            return "full"
        auth = {"user": USER, "pass": PASSWORD}
        tls = {"rejectUnauthorized": False, "minVersion": "TLSv1.2"}
        server = {"auth": auth, "host": "localhost", "port": 1, "secure": False, "tls": tls, "useAuthServer": False}
        paths = {f"{use}MailPath": use for use in ("sent", "drafts", "junk", "trash", "archive")}
        self.daemon.post("/v1/account", {
            "account": "full", "name": "Full", "email": "full@example.com", "expectedEmail": "full@example.com",
            "copy": False, "notifyFrom": "2024-01-01T00:00:00Z", "syncFrom": "2024-01-01T00:00:00Z", "path": ["INBOX"],
            "subconnections": ["Sent"], "webhooks": "https://example.com/hook", "smtpEhloName": "mail.example.com",
            "imapIndexer": "full", "locale": "en", "tz": "Europe/Berlin", "proxy": "socks5://127.0.0.1:1",
            "webhooksCustomHeaders": [{"key": "X-A", "value": "b"}],
            "imap": {**server, **paths, "disabled": False, "disableIMAP4rev2": False, "resyncDelay": 900}, "smtp": server})
        self.daemon.wait_state("full", "connectError")
        self._full = True
        return "full"

    def refused_account(self):
        """The id of an account whose password is wrong."""
        self.daemon.add_account("refused", self.dovecot, password="wrong")
        self.daemon.wait_state("refused", "authenticationError")
        return "refused"

    def some_settings(self):
        self.daemon.post("/v1/settings", {
            "webhookEvents": ["messageNew"], "webhooksCustomHeaders": [{"key": "X-A", "value": "b"}],
            "notifyHeaders": ["List-ID"], "logs": {"all": False, "maxLogLines": 1000}, "localAddresses": ["127.0.0.1"]})
        return True

    def full_token(self):
        return self.daemon.post("/v1/tokens", {
            "account": USER, "description": "full", "scopes": ["api"], "metadata": "{}", "ip": "127.0.0.1",
            "expires": "2040-01-01T00:00:00Z", "permissions": {"actions": ["read"], "groups": ["message"]},
            "restrictions": {"referrers": ["https://example.com/*"], "addresses": ["127.0.0.0/8"],
                             "rateLimit": {"maxRequests": 10, "timeWindow": 60}}})["token"]

    def spare_mailbox(self):
        name = f"Box{self.number()}"
        self.daemon.post(f"/v1/account/{USER}/mailbox", {"path": name})
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
        """The id of a route of webhooks; made with the daemon's own operation, since the facts have none."""
        return self.daemon.post("/v1/webhooks/routes", {
            "name": "route", "description": "of the tests", "targetUrl": "https://example.com/hook", "enabled": False,
            "customHeaders": [{"key": "X-Key", "value": "v"}], "filter": "event == 'messageNew'", "mapping": "data"})["id"]

    def example(self):
        """The account of the examples, anew: one of them gives it servers that are none."""
        self.daemon.request("DELETE", "/v1/account/example")
        self.daemon.add_account("example", self.dovecot)
        self.daemon.wait_state("example")

    def imap(self, **more):
        return {"auth": {"user": USER, "pass": PASSWORD}, "host": "localhost", "port": self.dovecot.imaps,
                "secure": True, **more}
