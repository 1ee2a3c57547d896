"""Messages to sync: ordinary ones and the ones that break parsers."""
import base64
import email.policy
import email.utils
import random
from email.message import EmailMessage


def plain(n=0, subject=None, text="Hello.\r\n", message_id=None, to="someone@example.com", **headers):
    m = EmailMessage(policy=email.policy.SMTP)
    m["From"] = "Ann Sender <ann@example.com>"
    m["To"] = to
    m["Subject"] = subject or f"Message {n}"
    m["Date"] = email.utils.formatdate(1700000000 + n)
    m["Message-ID"] = message_id or f"<plain-{n}@example.com>"
    for name, value in headers.items():
        m[name.replace("_", "-")] = value
    m.set_content(text)
    return m.as_bytes()


def many(count, tag="many"):
    return [b"From: Ann Sender <ann@example.com>\r\nTo: someone@example.com\r\nSubject: Number %d\r\n"
            b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <%s-%d@example.com>\r\n\r\nText %d.\r\n"
            % (i, tag.encode(), i, i) for i in range(count)]


def binary(size=70001):
    return random.Random(size).randbytes(size)


def rich(message_id="<rich@example.com>", attachments=()):
    """Text, HTML with an inline image, and attachments: (name, type, bytes) each."""
    m = EmailMessage(policy=email.policy.SMTP)
    m["From"] = "Jürgen Größe <juergen@example.com>"
    m["To"] = "Ann <ann@example.com>, bob@example.com"
    m["Cc"] = "Команда <team@example.com>"
    m["Reply-To"] = "answers@example.com"
    m["Subject"] = "Prüfung – 検証 ✓"
    m["Date"] = "Tue, 14 Nov 2023 22:13:20 +0000"
    m["Message-ID"] = message_id
    m["In-Reply-To"] = "<earlier@example.com>"
    m["References"] = "<first@example.com> <earlier@example.com>"
    m.set_content("Guten Tag,\nänderung №1.\n")
    m.add_alternative("<p>Guten <b>Tag</b> <img src=\"cid:pic@example.com\"></p>", subtype="html")
    m.get_payload()[1].add_related(binary(500), "image", "png", cid="<pic@example.com>")
    for name, kind, data in attachments:
        m.add_attachment(data, *kind.split("/"), filename=name)
    return m.as_bytes()


# What arrives in real mailboxes although no standard allows it.
NASTY = {
    "empty header section": b"\r\nOnly a body.\r\n",
    "no body": b"Subject: no body\r\nMessage-ID: <no-body@example.com>\r\n\r\n",
    "header only, no empty line": b"Subject: cut off",
    "one byte": b"x",
    "no colon in header": b"this is not a header\r\nSubject: behind it\r\n\r\nText\r\n",
    "8-bit header": b"Subject: Gr\xfc\xdfe aus K\xf6ln\r\nFrom: J\xfcrgen <j@example.com>\r\n\r\nText\r\n",
    "8-bit body without charset": b"Subject: 8bit\r\n\r\n\xe4\xf6\xfc \xff\xfe\r\n",
    "broken UTF-8": b"Subject: utf\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\x28 \xf0\x9f\r\n",
    "unknown charset": b"Content-Type: text/plain; charset=x-klingon\r\n\r\nnuqneH \xe4\r\n",
    "boundary never closed": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n",
    "boundary never used": b"Content-Type: multipart/mixed; boundary=b\r\n\r\nno parts\r\n",
    "multipart without boundary": b"Content-Type: multipart/alternative\r\n\r\nwhat now\r\n",
    "nested one hundred deep": b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i)
                                        for i in range(100)) + b"\r\ndeep\r\n",
    "bad base64": b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVs!!bG8=\r\n====\r\nxyz\r\n",
    "bad quoted-printable": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ =4 =\r\n=",
    "unknown encoding": b"Content-Transfer-Encoding: rot13\r\n\r\nUryyb\r\n",
    "date that is none": b"Date: 99 Foo 20x3 77:88\r\nSubject: when\r\n\r\nText\r\n",
    "addresses that are none": b"From: <<>@>>,,;:\r\nTo: undisclosed-recipients:;\r\nCc: \"open quote <x@y\r\n\r\nText\r\n",
    "header of 60 kB": b"Subject: " + b"long " * 12000 + b"\r\n\r\nText\r\n",
    "two thousand recipients": b"To: " + b",\r\n ".join(b"user%d@example.com" % i for i in range(2000)) + b"\r\n\r\nText\r\n",
    "broken encoded words": b"Subject: =?utf-8?Q?=ZZ?= =?x?B?!!!?= =?utf-8?B?4pyT?= =?utf-8\r\n\r\nText\r\n",
    "file name with a path": (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                              b"Content-Type: application/octet-stream; name=\"../../etc/passwd\"\r\n"
                              b"Content-Disposition: attachment; filename=\"..\\..\\x\\ny\"\r\n\r\ndata\r\n--b--\r\n"),
    "message in a message": (b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n"
                             b"Subject: innermost\r\n\r\nText\r\n"),
    "quotes and parentheses": b'Subject: ") \\" {5} (NIL\r\nFrom: "a\\"b\\\\c" <q@example.com>\r\n\r\nText\r\n',
    "bare line feeds": b"Subject: lf only\nFrom: lf@example.com\n\nText\nmore\n",
    "duplicate headers": b"Subject: one\r\nSubject: two\r\nMessage-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\nText\r\n",
}


def encoded(text):
    """Forms in which a text could hide in stored bytes."""
    forms = set()
    for raw in {text.encode(), text.lower().encode(), text.encode("utf-16-le"), text.encode("utf-16-be")}:
        forms |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for skip in range(3):  # a text within more base64 begins at any of three places
            whole = base64.b64encode(b"\0" * skip + raw)
            inner = whole[[0, 2, 3][skip]:len(whole) - (0, 3, 2)[(skip + len(raw)) % 3]]
            forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


def readable(stored, secrets):
    """The first place where one of the secrets can be read, as (which, bytes); None if there is none."""
    for what, secret in secrets.items():
        for form in encoded(secret):
            for item in stored:
                if form in item or form in item.lower():
                    return what, item
    return None
