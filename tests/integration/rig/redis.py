"""A private Redis server (TCP, TLS, unix socket) and a small client for looking inside."""
import os
import socket

from .process import HOST, Process, free_port, wait_until


class Client:
    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")

    def __call__(self, *args):
        out = b"*%d\r\n" % len(args)
        for a in args:
            a = a if isinstance(a, bytes) else str(a).encode()
            out += b"$%d\r\n%s\r\n" % (len(a), a)
        self.sock.sendall(out)
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        n = int(rest)
        if kind == b"$":
            return None if n < 0 else self.file.read(n + 2)[:-2]
        return None if n < 0 else [self._reply() for _ in range(n)]

    def close(self):
        self.file.close()
        self.sock.close()

    def keys(self, pattern="*"):
        cursor, out = b"0", []
        while True:
            cursor, part = self("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            out += part
            if cursor == b"0":
                return out

    READ = {"string": lambda c, k: [c("GET", k)], "hash": lambda c, k: c("HGETALL", k),
            "set": lambda c, k: c("SMEMBERS", k), "list": lambda c, k: c("LRANGE", k, 0, -1),
            "zset": lambda c, k: c("ZRANGE", k, 0, -1, "WITHSCORES"),
            "stream": lambda c, k: c("XRANGE", k, "-", "+"), "none": lambda c, k: []}  # went meanwhile

    def dump(self):
        """Every byte string that is stored: names of keys, fields, values, entries; and each key as Redis would
        write it to disk, which shows what the commands by type do not, but may be compressed."""
        todo = []
        for key in self.keys():
            todo += [key, self.READ[self("TYPE", key)](self, key), self("DUMP", key)]
        out = []
        while todo:
            item = todo.pop()
            if isinstance(item, list):
                todo += item
            elif item is not None:
                out.append(item if isinstance(item, bytes) else str(item).encode())
        return out


class Redis:
    def __init__(self, directory, name="redis", tls=None, aof=False, options=()):
        self.dir = os.path.join(directory, name)
        os.makedirs(self.dir, exist_ok=True)
        self.port, self.tls_port = free_port(), free_port() if tls else None
        self.socket = os.path.join(self.dir, "s")
        self.process = None
        self.argv = ["redis-server", "--port", str(self.port), "--bind", HOST, "--unixsocket", self.socket,
                     "--dir", self.dir, "--save", "", "--maxmemory-policy", "noeviction",
                     "--appendonly", "yes" if aof else "no", "--appendfsync", "always", *options]
        if tls:
            authority, (cert, key) = tls
            self.argv += ["--tls-port", str(self.tls_port), "--tls-cert-file", cert, "--tls-key-file", key,
                          "--tls-ca-cert-file", authority.file, "--tls-auth-clients", "no"]

    @property
    def url(self):
        return f"redis://{HOST}:{self.port}"

    @property
    def tls_url(self):
        return f"rediss://localhost:{self.tls_port}"

    @property
    def unix_url(self):
        return f"unix://{self.socket}"

    def start(self):
        self.process = Process(self.argv, os.path.join(self.dir, "out"))
        self.process.wait_port(self.port)
        # While the append-only file is read the port answers with an error.
        wait_until(self._ready, 20, "Redis reading its data")

    def _ready(self):
        client = self.client()
        try:
            return client("PING") == "PONG"
        except RuntimeError:
            return False
        finally:
            client.close()

    def client(self):
        return Client(socket.create_connection((HOST, self.port), 10))

    def stop(self):
        if self.process is not None:
            self.process.stop()

    def kill(self):
        self.process.kill()
