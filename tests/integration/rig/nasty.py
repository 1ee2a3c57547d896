"""A corpus of messages that no standard allows, over the classes of the threat model: broken framing (C1), headers (C2),
file names (C3), active content (C4), what a submission would choke on (C5), MIME trees (C6), character sets (C7).
Deterministic; lines end in LF, since a Maildir's do."""
import base64
import random

HEAD = b"From: Ann <ann@example.com>\nTo: bob@example.com\nSubject: nasty\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n"
MIME = HEAD + b"MIME-Version: 1.0\n"


def _headed(line):
    return b"From: a@example.com\n" + line + b"\n\nText\n"


def _typed(content_type, body, encoding=b"8bit"):
    return MIME + b"Content-Type: " + content_type + b"\nContent-Transfer-Encoding: " + encoding + b"\n\n" + body


def _attached(parameters, disposition=b"attachment", data=b"data"):
    return (MIME + b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee file\n--b\n"
            b"Content-Type: application/octet-stream\nContent-Disposition: " + disposition + b"; " + parameters +
            b"\n\n" + data + b"\n--b--\n")


def _html(html):
    return _typed(b"text/html; charset=utf-8", base64.encodebytes(html), b"base64")


def framing():
    yield from (b"x", b"\n", b"\n\n", b"\n\nbody", b"Subject: cut", b"Subject: one line\n", b"Subject: x\n\n",
                b"no header at all\nnor here\n", b": no name\n\nx", b"Subject\n\nx", b" folded first\nSubject: x\n\nx",
                b"Subject : space\n\nx", b"Sub ject: two words\n\nx", b"Subject:\n\n\n\n", b"Subject:no space\n\nx",
                b"Subject: a\n\tb\n c\n   \n d\n\nx", b"Subject: x\n \n\nx", b"From someone Tue Nov 14\nSubject: mbox\n\nx",
                b">From x\nSubject: y\n\nx", b"Subject: x\n\n>From y\nFrom z\n", b"Subject: no end\n\nlast line", b"\x00",
                b"Subject: a\x00b\n\nx\x00y\n", b"Sub\x00ject: x\n\nx", b"Subject: x\n\n" + bytes(1000), b"\xff\xfe\xfd",
                b"Subject: \xe4\xf6\xfc\n\nx", b"X-\xe4: y\nSubject: x\n\nx", b"Subject: a\rb\n\nx\ry\r\rz",
                b"Subject: a\r\r\n\r\r\nx", b"Subject: x\n\r\nx", b"Subject: \x1b[31mred\x07\x08\n\nx\x0c\x0b\x1a",
                b"Subject: x\n\n.\n..\n.\n", b"\xef\xbb\xbfSubject: bom\n\nx", b"Subject: x\nSubject: y\nSubject: z\n\nx")
    yield b"Subject: " + b"a" * 10_000_000 + b"\n\nx"
    yield b"Subject: x\nX-Long: " + b"b" * 10_000_000 + b"\n\nx"
    yield b"X: " + b"\n " .join([b"folded"] * 100_000) + b"\n\nx"
    yield b"".join(b"X-%d: y\n" % i for i in range(100_000)) + b"\nx"
    yield b"".join(b"Received: from a by b; Tue, 14 Nov 2023 22:13:20 +0000\n" for _ in range(2000)) + b"\nx"
    yield b"Subject: x\n\n" + b"y" * 1_000_000
    yield b"Subject: x\n\n" + b"\n" * 100_000
    yield b"a" * 70000 + b": name too long\n\nx"


def headers():
    words = (b"=?utf-8?Q?=ZZ?=", b"=?utf-8?B?!!!!?=", b"=?utf-8?B?4pyT", b"=?utf-8?X?abc?=", b"=?x-none?Q?abc?=", b"=??Q?abc?=",
             b"=?utf-8?Q??=", b"=?utf-8?Q?a b?=", b"=?utf-8?Q?a?=b=?utf-8?Q?c?=", b"=?utf-8?B?4p?= =?utf-8?B?yT?=",
             b"=?utf-8?Q?=00=0D=0A=1B?=", b"=?utf-8?Q?=0ABcc:_x@y?=", b"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", b"=?utf-8*de?Q?x?=",
             b"=?utf-7?Q?+ADw-?=", b"=?iso-2022-jp?B?GyRC?=", b"=?utf-16?B?/v8A?=", b"=?gb18030?B?gTA=?=", b"=?us-ascii?Q?=FF?=",
             b"=?utf-8?Q?=?utf-8?Q?x?=?=", b"=?" * 500, b"=?utf-8?Q?a?= " * 2000, b"=?utf-8?B?" + b"QUFB" * 5000 + b"?=",
             b"=?utf-8?Q?=ED=A0=80?=", b"=?utf-8?Q?=F4=90=80=80?=", b"=?utf-8?Q?=E2=80=AE?=txt.exe", b"=?windows-1252?Q?=81=8D?=")
    for word in words:
        yield b"Subject: " + word + b"\nFrom: " + word + b" <a@example.com>\n\nx\n"
    addresses = (b"", b",", b",,,;;", b"<>", b"<", b"a@", b"@b", b"a@b@c", b"\"", b"\"a", b"(", b"(((a)))", b"a (b (c) d", b"a:;", b"a:b:c;;",
                 b"a: b@c, d: e@f;;", b"<a@b", b"a@b>", b"\"a\\", b"<@x,@y:a@b>", b"a b c <d e f@g>", b"a@[1.2.3.4]", b"a@[IPv6:::1]",
                 b"\xe4 <a@b>", "ü@münchen.example".encode(), b"a@b\tc@d", b"<<a@b>>", b"a@b, \"c@d", b"'a' <b@c>, d", b"a@" + b"b." * 2000,
                 b"x" * 5000 + b"@y", b"g:" * 3000, b"g:" * 10_000 + b"a@b" + b";" * 10_000, b"(" * 100_000, b"(" * 50_000 + b")" * 50_000, b"a@b," * 3000, b"\"" + b"\\\"" * 3000)
    for address in addresses:
        yield b"From: " + address + b"\nTo: " + address + b"\nCc: " + address + b"\nReply-To: " + address + b"\nSubject: x\n\nx\n"
    # Many small values: the row of a listing is longer than any server's line should be.
    for field in (b"To", b"Cc", b"Reply-To", b"From"):
        yield HEAD + field + b": " + b",\n ".join(b"n%d <a%d@example.com>" % (i, i) for i in range(30_000)) + b"\n\nx\n"
    yield HEAD + b"To: " + b",\n ".join(b'"quoted \\"%d\\"" <a%d@example.com>' % (i, i) for i in range(60_000)) + b"\n\nx\n"
    dates = (b"", b"0", b"now", b"31 Feb 2023", b"Tue, 99 Nov 2023 99:99:99 +9999", b"1 Jan 0000 00:00:00 +0000",
             b"1 Jan 99999999999 00:00:00 +0000", b"Tue, 14 Nov 2023", b"Tue, 14 Nov 1823 22:13:20 EST", b"(((" * 1000, b"2023-11-14T22:13:20Z")
    for date in dates:
        yield _headed(b"Date: " + date)
    ids = (b"", b"<>", b"<a", b"a", b"<a@b> <c@d>", b"<\xe4@b>", b"<a@b\n c>", b"<" + b"a" * 5000 + b"@b>", b"<a@b>" * 5000, b"\"<a@b>\"",
           b"\n ".join(b"<%d@example.com>" % i for i in range(50_000)))
    for value in ids:
        yield _headed(b"Message-ID: " + value + b"\nReferences: " + value + b"\nIn-Reply-To: " + value)


def file_names():
    names = (b"../../etc/passwd", b"/etc/passwd", b"C:\\x.exe", b"..\\..\\x", b"\\\\host\\x", b".", b"..", b"", b" ", b"con", b"NUL.txt",
             b"a\tb", b"a\rb", b"a\x00b", b"a\x1bb", b"a/b", b"a;b", b"a%00b", b"a%0d%0aX: y", b"\xe2\x80\xaetxt.exe", b"\xff\xfe",
             b"a" * 5000, b"\xc3\xa4" * 2000, b"a\\\"b", b"<script>alert(1)</script>", b"=?utf-8?Q?=2E=2E=2Fx?=", b"=?utf-8?Q?=0D=0AX:_y?=",
             b"`id`", b"$(id)", b"a.html.", b"~root", b"-rf")
    for name in names:
        yield _attached(b'filename="' + name + b'"')
    yield _attached(b"filename*=utf-8''%2E%2E%2Fx%0D%0AY%3A%20z%00")
    yield _attached(b"filename*=utf-8''%ZZ%")
    yield _attached(b"filename*=x-none''%E4; filename=plain")
    yield _attached(b"filename*0=a; filename*2=c; filename*1*=%62")
    yield _attached(b"filename*0*=utf-8''a; filename*0=b; filename=c")
    yield _attached(b"filename*1=b; filename*9999999999=x")
    yield _attached(b"; ".join(b"filename*%d=a" % i for i in range(10_000)))
    yield _attached(b";\n ".join(b"filename*%d*=%%61" % i for i in range(10_000, 0, -1)))
    yield _attached(b"; ".join(b"x%d=y" % i for i in range(2000)) + b"; filename=z")
    yield _attached(b"filename=unquoted name.txt")
    yield _attached(b'filename="open')
    yield _attached(b"filename", b"inline")
    yield _attached(b"filename=a; filename=b", b"\"attachment\"")
    yield _attached(b"filename=x", b"x" * 500)


def active(attacks):
    for attack in attacks[::6]:
        yield _html(attack)
        yield HEAD.replace(b"nasty", attack.replace(b"\n", b" ").replace(b"\r", b" ").replace(b"\0", b" ")) + b"\n" + attack + b"\n"
    yield _html(b"<div>" * 20000)
    yield _html(b"<a href='cid:x'><img src=cid:" + b"x" * 5000 + b">")
    yield _html(b"<blockquote>" * 3000 + b"x")


def submission():
    yield from (b"Bcc: hidden@example.com\n" + HEAD + b"\nx\n", HEAD + b"\n.\n", HEAD + b"\n" + b".\n" * 5000,
                HEAD + b"\n" + b"x" * 100_000 + b"\n", HEAD + b"\nQUIT\nDATA\n.\n", HEAD + b"Resent-Bcc: x@y\nSender: \n\nx",
                "From: ü@ü.example\nTo: ñ@ñ.example\n\nx\n".encode(), HEAD + b"\na\rb\r\rc\n", HEAD + b"Content-Length: -1\n\nx",
                HEAD + b"Status: RO\nX-Status: D\nX-Keywords: a\nX-UID: 1\n\nx", HEAD + b"Content-Type: text/plain\n\n) * OK {5}\na1 BAD\n",
                HEAD + b"Return-Path: <>\nAuto-Submitted: auto-replied\nList-Id: \n\nx")


def trees():
    kinds = (b"", b"/", b"text", b"text/", b"/plain", b"text/plain/x", b"multipart", b"multipart/", b"multipart/mixed", b"multipart/mixed; boundary=",
             b"multipart/mixed; boundary=\"\"", b"multipart/mixed; boundary=\" \"", b"multipart/mixed; boundary=" + b"b" * 300,
             b"multipart/mixed; boundary=b; boundary=c", b"multipart/mixed; boundary*=utf-8''b", b"multipart/mixed; boundary=\"b", b"multipart/x",
             b"multipart/alternative; boundary=b", b"multipart/related; boundary=b; start=<none>", b"multipart/report; boundary=b", b"multipart/signed; boundary=b",
             b"multipart/digest; boundary=b", b"message/rfc822", b"message/partial", b"message/external-body; access-type=local-file; name=\"/etc/passwd\"",
             b"message/delivery-status", b"TEXT/HTML", b"text/plain; charset", b"text/plain; =x", b"text/plain;;;", b"\xff\xfe/\xff", b"text/calendar; method=\"\n X\"",
             b"application/ms-tnef", b"a" * 2000 + b"/" + b"b" * 2000)
    body = b"preamble\n--b\nContent-Type: text/plain\n\none\n--b \nContent-Type: text/html\n\n<p>two\n--bc\nthree\n--b--\nepilogue\n--b\nfour\n"
    for kind in kinds:
        yield MIME + b"Content-Type: " + kind + b"\n\n" + body
    encodings = (b"", b"base64", b"quoted-printable", b"x-uuencode", b"binary", b"7bit 8bit", b"base64\nContent-Transfer-Encoding: 7bit", b"rot13", b"\xff")
    bodies = (b"SGVs!!bG8=\n====\nxyz", b"=\n==\n=3\n=ZZ\n=3D=\n", b"begin 644 ../x\n#86)C\n`\nend\n", b"begin 644\nM\n", b"=" * 50000, b"A" * 50001)
    for i, encoding in enumerate(encodings):
        for content in (bodies[i % 6], bodies[(i + 3) % 6]):
            yield _typed(b"text/plain", content, encoding)
    for depth in (10, 100, 1000):
        yield b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (i, i) for i in range(depth)) + b"\ndeep\n"
        yield b"Content-Type: message/rfc822\n\n" * depth + b"Subject: inner\n\nx\n"
    yield b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 9000 + b"--b--\n"
    yield b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 3000
    yield b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000 + b"--b--\n"
    yield b"Content-Type: multipart/mixed; boundary=b\n\n" + b"".join(
        b"--b\nContent-Type: application/octet-stream; name=%d-%s.bin\nContent-ID: <%d@example.com>\n\nx\n" % (i, b"n" * 100, i)
        for i in range(9000)) + b"--b--\n"
    yield b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: message/rfc822\n\nSubject: s\nTo: a@b\n\nx\n" * 9000 + b"--b--\n"
    yield MIME + b"Content-Type: text/html\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"
    yield MIME + b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsame\n--b--\n--b--\n"
    yield MIME + b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n\nprefix\n--ab--\n--a--\n"


def charsets():
    names = (b"utf-7", b"utf-16", b"utf-16le", b"utf-32", b"gb18030", b"gb2312", b"big5", b"iso-2022-jp", b"iso-2022-kr", b"hz-gb-2312", b"shift_jis", b"euc-jp",
             b"euc-kr", b"koi8-r", b"windows-1252", b"iso-8859-8-i", b"x-mac-roman", b"us-ascii", b"unknown-8bit", b"utf-8-mac", b"\"\"", b"\xff", b"a" * 500, b"utf8", b"cp-850")
    noise = random.Random(7).randbytes(600).replace(b"\r", b"x")
    bodies = (b"+ADw-script+AD4-\x1b$B\x1b(B\x1b$)C\x0e\x0f~{~} \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xfe\xff \xff\xfe\x81\x30\x81", noise)
    for name in names:
        for body in bodies:
            yield _typed(b"text/plain; charset=" + name, base64.encodebytes(body), b"base64")
    for raw in (b"\xff\xfeA\x00", b"\xfe\xff\x00A", b"\xef\xbb\xbfA", b"\xd8\x00\x00A", b"\xc3", b"\x00" * 100, b"A\x00B\x00", b"\xf8\x88\x80\x80\x80", bytes(range(256))):
        yield _typed(b"text/plain; charset=utf-8", base64.encodebytes(raw), b"base64")
        yield _typed(b"text/html", raw.replace(b"\r", b""))


def messages(attacks):
    """name → bytes."""
    classes = {"C1": framing(), "C2": headers(), "C3": file_names(), "C4": active(attacks), "C5": submission(), "C6": trees(), "C7": charsets()}
    return {f"{kind}-{i}": data for kind, made in classes.items() for i, data in enumerate(made)}
