"""Kinds of servers and what each is known for. They do not lie, or not at every turn; with each of them the daemon must
come to the truth and tell nothing else."""
from __future__ import annotations

import re

from fakemail import EVERYTHING, Lies, Session


class Coremail(Lies):
    """163.com, 126.com: no UIDNEXT, no SELECT before ID, one UIDVALIDITY for all."""

    greeting, id = "Coremail System IMap Server Ready(163com)", "coremail"

    def refuses(self, session: Session, name: str, rest: str) -> str:
        return "NO SELECT Unsafe Login. Please contact kefu@188.com for help" if name == "SELECT" and not session.said_id else ""

    def uid_validity(self, name: str, value: int, selecting: bool) -> int:
        return 1

    def says(self, line: str) -> list[str]:
        return [] if "[UIDNEXT" in line else [re.sub(r" UIDNEXT \d+", "", line)]


class ICloud(Lies):
    """No ENABLED; where QRESYNC is used all the same, mail that is there has vanished."""

    greeting, id = "iCloud IMAP", "iCloud Imap"

    def says(self, line: str) -> list[str]:
        return [] if line.startswith("* ENABLED") else [line]

    def vanished(self, name: str, gone: str, earlier: bool) -> str:
        return "1:30" if earlier else gone


class James(Lies):
    """All that QRESYNC knows is that everything vanished."""

    id = "Apache James Server"

    def vanished(self, name: str, gone: str, earlier: bool) -> str:
        return f"1:{EVERYTHING}" if earlier else gone


class Purelymail(Lies):
    """HIGHESTMODSEQ 0, and no ID."""

    def highest_modseq(self, name: str, value: int) -> int:
        return 0


class Zoho(Lies):
    """Lists mailboxes twice, INBOX in two spellings, and knows a MODSEQ of -1."""

    id = "Zoho Mail"

    def says(self, line: str) -> list[str]:
        line = re.sub(r"MODSEQ \((\d*[02468])\)", "MODSEQ (-1)", line)
        if line == '* LIST () "/" "INBOX"':
            return [line, '* LIST () "/" "Inbox"']
        return [line, line] if line.startswith("* LIST") else [line]


class Courier(Lies):
    """Tells of message number 0, has the delimiter "." and shows what is new to who selects again only."""

    greeting = "Courier-IMAP ready. Copyright 1998-2024 Double Precision, Inc."

    def says(self, line: str) -> list[str]:
        if line.startswith("* LIST"):
            return [line.replace('"/"', '"."')]
        return ["* 0 FETCH (FLAGS ())", line] if " FETCH (" in line and "* 1 " in line else [line]


class Yandex(Lies):
    """Says BYE more than once, delimits by "|"."""

    id = "Yandex Mail"

    def says(self, line: str) -> list[str]:
        if line.startswith("* BYE"):
            return [line] * 3
        return [line.replace('"/"', '"|"')] if line.startswith("* LIST") else [line]


class Tencent(Lies):
    """QQ: sets that fall are an error."""

    id = "Tencent"

    def refuses(self, session: Session, name: str, rest: str) -> str:
        numbers = [int(n) for n in re.findall(r"\d+", rest.split(" ")[0])] if name == "FETCH" else []
        return "BAD Invalid sequence" if numbers != sorted(numbers) else ""


class Cyrus(Lies):
    """Hides what went from above the last message from who asks for "*". Tells in listings, as MAILBOXID, what
    it finds in memory."""

    id = "Cyrus IMAPD"
    told = 0

    def says(self, line: str) -> list[str]:
        self.told += 1
        garbage = ("<", "8\u07b4v", "<", "K\ri")[self.told % 4]
        return [line.replace("@MAILBOXID", garbage)]

    def refuses(self, session: Session, name: str, rest: str) -> str:
        return "BAD Invalid UID Fetch modifier" if re.search(r"\*.*VANISHED", rest) else ""


class Stalwart(Lies):
    """UIDONLY is offered, there is no window."""

    id = "Stalwart"


class Proton(Lies):
    """Copies of all mail in one mailbox, and of what has a label in others."""

    greeting, id = "Proton Mail Bridge 03.25.00 - gluon session ID 1", "gluon"
    copies = ("All Mail", "Labels", "Labels/Red")

    def says(self, line: str) -> list[str]:
        if line == '* LIST () "/" "Work"':
            return [line, '* LIST (\\All) "/" "All Mail"', '* LIST () "/" "Labels/Red"',
                    '* LIST (\\Noselect) "/" "Labels"']
        return [line]

    def refuses(self, session: Session, name: str, rest: str) -> str:
        return "NO copies are not to be selected" if name == "SELECT" and re.match(r'"?(All Mail|Labels)', rest) else ""


class Hostile(Lies):
    """Says a great deal that means nothing."""

    def says(self, line: str) -> list[str]:
        noise = ["* 4294967295 FETCH (FLAGS (\\Seen) UID 4294967294 MODSEQ (18446744073709551615))", "* OK [NOSUCHCODE " + "x" * 900
                 + "] hm", "* 0 EXPUNGE", "* XNOISE " + "(" * 40 + ")" * 40, "+ what", "x999 OK nobody asked"]
        return [*noise, line] if " FETCH (UID 7 " in line else [line]
