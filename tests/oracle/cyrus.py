"""A private Cyrus IMAP server, as Debian builds it.

Its package and that of Dovecot exclude each other, so it is not installed: the packages are downloaded and
unpacked into a directory of their own (build/cyrus, or $ORACLE_CYRUS), and run from there."""
from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import threading

from rig.daemon import ROOT
from rig.process import HOST, Process, descendants, free_port

PACKAGES = ("cyrus-imapd", "cyrus-common")
PROGRAMS = ("master", "imapd", "lmtpd", "idled", "ctl_cyrusdb")
MISSING = re.compile(r"^\s*(lib\S+)\.so\.(\d+)\S* => not found", re.M)
ROUNDS = 5  # of downloading libraries, each of which may need others
# Libraries that are not in a package of their own name.
TOGETHER = {"libicuuc": "libicu", "libicui18n": "libicu", "libicudata": "libicu"}
BOXES = ("Sent", "Drafts", "Trash", "Junk", "Archive")

IMAPD_CONF = """
configdirectory: {dir}/conf
defaultpartition: default
partition-default: {dir}/spool
cyrus_user: {user}
altnamespace: yes
unixhierarchysep: yes
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: {boxes}
autocreate_subscribe_folders: {boxes}
{uses}
delete_mode: immediate
expunge_mode: immediate
duplicatesuppression: no
reject8bit: no
munge8bit: no
allowplaintext: yes
sasl_mech_list: PLAIN LOGIN
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {dir}/run/auth
idlesocket: {dir}/run/idle
lmtpsocket: {dir}/run/lmtp
notifysocket: {dir}/run/notify
syslog_prefix: cyrus-test
"""
CYRUS_CONF = """
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {imapd} -r"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {imapd}" listen="{host}:{imap}" prefork=1 maxchild=200
  lmtp cmd="{bin}/lmtpd -C {imapd} -a" listen="{host}:{lmtp}" prefork=0 maxchild=20
}}
DAEMON {{
  idled cmd="{bin}/idled -C {imapd}"
}}
"""


class Unavailable(Exception):
    """Cyrus cannot be had here; says why."""


# --- getting it -------------------------------------------------------------------------------------------------------

def home() -> str:
    return os.environ.get("ORACLE_CYRUS") or os.path.join(ROOT, "build", "cyrus")


def programs(top: str) -> str:
    return os.path.join(top, "usr", "lib", "cyrus", "bin")


def libraries(top: str) -> str:
    """Where the packages keep their libraries, as a value of LD_LIBRARY_PATH."""
    found = {at for at, _, names in os.walk(os.path.join(top, "usr", "lib")) if any(".so." in n for n in names)}
    return ":".join(sorted(found))


def missing_packages(top: str) -> set[str]:
    """Packages of the libraries that the programs want and nobody has."""
    out = set()
    for program in PROGRAMS:
        done = subprocess.run(["ldd", os.path.join(programs(top), program)], capture_output=True, text=True, check=False,
                              env={**os.environ, "LD_LIBRARY_PATH": libraries(top)})
        for name, version in MISSING.findall(done.stdout):
            name = TOGETHER.get(name, name).replace("_", "-").lower()
            out.add(name + ("-" if name[-1].isdigit() else "") + version)
    return out


def unpack(packages: set[str], top: str) -> None:
    cache = os.path.join(top, "packages")
    os.makedirs(cache, exist_ok=True)
    done = subprocess.run(["apt-get", "download", "-q", *sorted(packages)], cwd=cache, capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode != 0:
        raise Unavailable(f"apt-get download of {', '.join(sorted(packages))}: {done.stderr.strip()[-300:]}")
    for name in os.listdir(cache):
        if name.partition("_")[0] in packages:
            subprocess.run(["dpkg-deb", "-x", os.path.join(cache, name), top], check=True)


def fetch() -> str:
    """Where Cyrus is; downloads it the first time."""
    top = home()
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unavailable("only Debian's packages of Cyrus are known here, and there is no apt-get")
    os.makedirs(top, exist_ok=True)
    with open(os.path.join(top, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(programs(top), "imapd")):
            unpack(set(PACKAGES), top)
        for _ in range(ROUNDS):
            wanted = missing_packages(top)
            if not wanted:
                return top
            unpack(wanted, top)
    raise Unavailable(f"libraries are still missing: {', '.join(sorted(wanted))}")


# --- running it -------------------------------------------------------------------------------------------------------

def read_exactly(sock: socket.socket, size: int) -> bytes:
    out = b""
    while len(out) < size:
        more = sock.recv(size - len(out))
        if not more:
            raise ConnectionError("a question was cut off")
        out += more
    return out


class Passwords:
    """Answers like saslauthd: four counted strings (user, password, service, realm) are asked, OK or NO is said."""

    def __init__(self, path: str, password: str) -> None:
        self.password = password.encode()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(50)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                with sock, contextlib.suppress(OSError):
                    asked = [read_exactly(sock, struct.unpack(">H", read_exactly(sock, 2))[0]) for _ in range(4)]
                    said = b"OK" if asked[1] == self.password else b"NO"
                    sock.sendall(struct.pack(">H", len(said)) + said)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Cyrus:
    """IMAP and LMTP for any user with one password; mailboxes are made when a user is seen first."""

    def __init__(self, directory: str, password: str) -> None:
        self.top = fetch()
        self.dir, self.password = os.path.join(directory, "cyrus"), password
        self.imap, self.lmtp = free_port(), free_port()
        self.process: Process | None = None
        self.passwords: Passwords | None = None
        root = os.geteuid() == 0
        user = pwd.getpwnam("nobody" if root else getpass.getuser())  # as root it refuses to run
        for part in ("", "conf", "conf/socket", "conf/proc", "conf/lock", "conf/log", "spool", "run"):
            os.makedirs(os.path.join(self.dir, part), exist_ok=True)
            os.chown(os.path.join(self.dir, part), user.pw_uid, user.pw_gid)
        names = {"dir": self.dir, "user": user.pw_name, "bin": programs(self.top), "host": HOST, "imap": self.imap,
                 "lmtp": self.lmtp, "imapd": os.path.join(self.dir, "imapd.conf"), "boxes": "|".join(BOXES),
                 "uses": "\n".join(f"xlist-{name.lower()}: {name}" for name in BOXES)}
        for name, text in (("imapd.conf", IMAPD_CONF), ("cyrus.conf", CYRUS_CONF)):
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text.format(**names))

    def start(self) -> None:
        self.passwords = Passwords(os.path.join(self.dir, "run", "auth"), self.password)
        self.process = Process(
            [os.path.join(programs(self.top), "master"), "-C", os.path.join(self.dir, "imapd.conf"), "-M",
             os.path.join(self.dir, "cyrus.conf"), "-p", os.path.join(self.dir, "run", "pid"), "-D"],
            os.path.join(self.dir, "out"), {"LD_LIBRARY_PATH": libraries(self.top)})
        for port in (self.imap, self.lmtp):
            self.process.wait_port(port)

    def stop(self) -> None:
        if self.process is not None:
            workers = descendants(self.process.pid)
            self.process.stop()
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        if self.passwords is not None:
            self.passwords.close()
