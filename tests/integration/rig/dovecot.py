"""A private Dovecot: IMAP with STARTTLS, IMAP over TLS, LMTP; any user, one password."""
import getpass
import grp
import imaplib
import os
import pwd
import shutil
import signal
import smtplib

from .process import HOST, Process, descendants, free_port

PASSWORD = "correct-horse"
SPECIAL = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Trash": "\\Trash", "Junk": "\\Junk", "Archive": "\\Archive"}

CONF = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap lmtp
listen = {host}
ssl = {tls}
ssl_cert = <{cert}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
mail_max_userip_connections = 1000
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
default_vsz_limit = 1024M
mail_location = maildir:~/Maildir
mail_fsync = never
maildir_very_dirty_syncs = yes
mailbox_list_index = yes
imap_idle_notify_interval = 2 mins
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%n
}}
namespace inbox {{
  inbox = yes
  separator = /
{boxes}
}}
service imap-login {{
  {chroot}
  service_count = 0
  client_limit = 500
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = {tls}
  }}
}}
service anvil {{
  {chroot}
  # Without it, one wrong password delays every later login from this address.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
}}
service imap {{
  process_limit = 200
  service_count = 100
}}
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {lmtp}
  }}
}}
"""


class Dovecot:
    """tls=False: no TLS on any port. hosts: names in the certificate. more: configuration that is
    read last and so takes the place of what stands above."""

    def __init__(self, directory, authority, tls=True, hosts=("DNS:localhost", "IP:127.0.0.1"), more=""):
        self.dir = os.path.join(directory, "dovecot")
        self.mail = os.path.join(directory, "mail")
        self.imap, self.imaps, self.lmtp = free_port(), free_port(), free_port()
        self.cert = authority.issue("dovecot-" + "".join(c for c in hosts[0] if c.isalnum()), hosts)
        self.process = None
        # Dovecot refuses to open mail as root.
        root = os.geteuid() == 0
        user = pwd.getpwnam("nobody" if root else getpass.getuser())
        self.uid, self.gid = user.pw_uid, user.pw_gid
        group = grp.getgrgid(self.gid).gr_name
        os.makedirs(self.dir)
        os.makedirs(self.mail)
        os.chown(self.mail, self.uid, self.gid)
        boxes = "\n".join(f"  mailbox {name} {{\n    auto = subscribe\n    special_use = {use}\n  }}"
                          for name, use in SPECIAL.items())
        with open(os.path.join(self.dir, "dovecot.conf"), "w") as f:
            f.write(CONF.format(dir=self.dir, host=HOST, cert=self.cert[0], key=self.cert[1], uid=self.uid,
                                gid=self.gid, mail=self.mail, boxes=boxes, imap=self.imap, imaps=self.imaps,
                                lmtp=self.lmtp, password=PASSWORD,
                                tls="yes" if tls else "no",
                                internal="dovecot" if root else user.pw_name,
                                internal_group="dovecot" if root else group,
                                login="dovenull" if root else user.pw_name,
                                chroot="" if root else "chroot =") + more)

    def start(self):
        self.process = Process(["dovecot", "-F", "-c", os.path.join(self.dir, "dovecot.conf")],
                               os.path.join(self.dir, "out"))
        for port in (self.imap, self.imaps, self.lmtp):
            self.process.wait_port(port)

    def stop(self):
        """Also ends the processes of open connections: the master leaves them running."""
        if self.process is not None:
            workers = descendants(self.process.pid)
            self.process.stop()
            for pid in workers:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def client(self, user):
        """imaplib, logged in over plain loopback."""
        c = imaplib.IMAP4(HOST, self.imap, timeout=20)
        c.login(user, PASSWORD)
        return c

    def maildir(self, user):
        return os.path.join(self.mail, user, "Maildir")

    def fill(self, user, messages, mailbox=None, when=lambda i: 1600000000 + i, flags=("", "S")):
        """Writes message bytes straight into a Maildir: much faster than APPEND.
        when(i): INTERNALDATE of the i-th, ascending; flags: Maildir's letters, one message after another."""
        top = self.maildir(user)
        box = os.path.join(top, "." + mailbox) if mailbox else top
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(box, part), exist_ok=True)
        for i, data in enumerate(messages):
            path = os.path.join(box, "cur", f"{when(i)}.M{i}P1.rig:2,{flags[i % len(flags)]}")
            with open(path, "wb") as f:
                f.write(data)
            os.utime(path, (when(i), when(i)))
        for root, _, files in os.walk(os.path.dirname(top)):
            for name in (root, *(os.path.join(root, n) for n in files)):
                os.chown(name, self.uid, self.gid)

    def forget(self, user):
        shutil.rmtree(os.path.dirname(self.maildir(user)), ignore_errors=True)

    def deliver(self, user, data):
        """Brings a message by LMTP into the INBOX, as a mail server would."""
        with smtplib.LMTP(HOST, self.lmtp, timeout=20) as lmtp:
            refused = lmtp.sendmail("sender@example.com", [f"{user}@example.com"], data, mail_options=[])
            assert not refused, refused

    def append(self, user, mailbox, data, flags=""):
        with self.client(user) as c:
            status, answer = c.append(mailbox, flags, None, data)
            assert status == "OK", answer

    def uids(self, user, mailbox="INBOX", criteria="ALL"):
        with self.client(user) as c:
            c.select(quote(mailbox), readonly=True)
            return [int(n) for n in c.uid("SEARCH", criteria)[1][0].split()]

    def flags(self, user, uid, mailbox="INBOX"):
        with self.client(user) as c:
            c.select(quote(mailbox), readonly=True)
            row = c.uid("FETCH", str(uid), "(FLAGS)")[1][0]
            return {f.decode() for f in imaplib.ParseFlags(row)}

    def store(self, user, uids, change, mailbox="INBOX"):
        """change: '+FLAGS (\\Seen)' and the like."""
        with self.client(user) as c:
            c.select(quote(mailbox))
            status, answer = c.uid("STORE", _set(uids), *change.split(" ", 1))
            assert status == "OK", answer

    def expunge(self, user, uids, mailbox="INBOX"):
        with self.client(user) as c:
            c.select(quote(mailbox))
            c.uid("STORE", _set(uids), "+FLAGS.SILENT", "(\\Deleted)")
            status, answer = c.expunge()
            assert status == "OK", answer


def quote(name):
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _set(uids):
    return ",".join(map(str, uids)) if isinstance(uids, (list, tuple)) else str(uids)
