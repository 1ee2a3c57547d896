"""A headless browser that can reach one server only: this one, which notes what is asked of it."""
import http.server
import json
import os
import shutil
import signal
import socket
import threading

from .process import HOST, Process, wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--hide-scrollbars", "--force-color-profile=srgb")
# One opaque pixel.
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d494844520000000100000001080200000090"
                      "7753de0000000c4944415408d763607a7a0e0002ca0187c5c5a2240000000049454e44ae426082")


def find():
    return next((path for path in map(shutil.which, NAMES) if path), None)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5

    def handle(self):
        try:
            first = self.connection.recv(1, socket.MSG_PEEK)
        except OSError:  # a connection made in advance
            return
        if first == b"\x16":
            self.server.browser.loads.append("TLS")
        elif first:
            super().handle()

    def reply(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        browser = self.server.browser
        own = self.headers.get("Host") == f"{HOST}:{browser.port}"
        if own and self.path in browser.pages:
            self.reply(browser.pages[self.path].encode(), "text/html; charset=utf-8")
            return
        browser.loads.append(self.headers.get("Host", "") + self.path)
        body, kind = browser.answer(self.path)
        if body is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.reply(body, kind)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/report":
            self.server.browser.report = json.loads(body)
        else:
            self.server.browser.loads.append("POST " + self.path)
        self.reply(b"", "text/plain")

    def send_error(self, code, *more):
        self.server.browser.loads.append("unreadable")
        self.close_connection = True

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """The browser went away in the middle."""


class Browser:
    """pages: path → HTML that is served; loads: everything else that was asked for. Every name below
    .example is this server, no other name exists."""

    def __init__(self, directory):
        self.dir, self.pages, self.loads, self.report, self.runs = directory, {}, [], None, 0
        self.server = _Server((HOST, 0), _Handler)
        self.server.browser = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def answer(path):
        return (PIXEL, "image/png") if path.endswith(".png") else (None, None)

    def _start(self, *more):
        self.runs += 1
        rules = f"MAP *.example {HOST}:{self.port}, MAP * ~NOTFOUND, EXCLUDE {HOST}"
        return Process([find(), *FLAGS, f"--user-data-dir={self.dir}/chromium{self.runs}",
                        f"--host-resolver-rules={rules}", *more, f"http://{HOST}:{self.port}/page"],
                       f"{self.dir}/chromium{self.runs}.log")

    @staticmethod
    def _stop(process):
        """With the processes that draw."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.kill()

    def show(self, html, seconds=30):
        """Shows a page that ends with a POST to /report; gives what it posted and what was loaded."""
        self.pages["/page"], self.report, self.loads = html, None, []
        process = self._start()
        try:
            wait_until(lambda: self.report is not None or not process.running(), seconds, "report of the browser")
            assert self.report is not None, process.output()
        finally:
            self._stop(process)
        return self.report, self.loads

    def picture(self, html, path, width, height, seconds=30):
        """A screenshot of a page as PNG."""
        self.pages["/page"] = html
        process = self._start(f"--screenshot={path}", f"--window-size={width},{height}")
        try:
            wait_until(lambda: not process.running(), seconds, "screenshot")
        finally:
            self._stop(process)
