"""A webhook consumer: records every request and answers as the test says."""
import http.server
import json
import threading
import time

from .process import HOST, wait_until


class Delivery:
    """One request: when it came, its headers, its bytes, and the event in them."""

    def __init__(self, path, headers, body, status):
        self.at, self.path, self.body, self.status = time.time(), path, body, status
        self.headers = {k.lower(): v for k, v in headers.items()}
        self.json = json.loads(body)

    def to_line(self):
        """What a program that checks it needs, as one line of JSON."""
        return json.dumps({"headers": self.headers, "body": self.body.decode()})

    def __repr__(self):
        return f"<{self.status} {self.event} {self.account} {self.id}>"

    @property
    def event(self):
        return self.json["event"]

    @property
    def account(self):
        return self.json["account"]

    @property
    def data(self):
        return self.json["data"]

    @property
    def id(self):
        return self.headers["x-ee-wh-event-id"]


class Consumer:
    """answer(delivery) -> status, or (status, headers); None breaks the connection; a function
    is given the handler and answers by itself. delay: seconds before each answer."""

    def __init__(self):
        self.deliveries, self.lock = [], threading.Lock()
        self.answer, self.delay = (lambda delivery: 200), 0
        consumer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                consumer._take(self)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a daemon that is killed resets its connections

        self.server = Server((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def _take(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        delivery = Delivery(handler.path, handler.headers, body, None)
        answer = self.answer(delivery)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        delivery.status = None if callable(status) else status
        if self.delay:
            time.sleep(self.delay)
        with self.lock:
            self.deliveries.append(delivery)
        if callable(status):
            status(handler)
        if delivery.status is None:
            handler.close_connection = True
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def seen(self, event=None, account=None, accepted=True, **data):
        """Deliveries so far, oldest first; accepted=False includes those we refused."""
        with self.lock:
            found = list(self.deliveries)
        return [d for d in found
                if (event is None or d.event == event) and (account is None or d.account == account)
                and (not accepted or (d.status is not None and d.status < 300))
                and all(d.json.get("data", {}).get(k) == v for k, v in data.items())]

    def wait(self, event, account=None, seconds=15, count=1, **data):
        """Waits for the count-th such delivery and returns it."""
        def look():
            found = self.seen(event, account, **data)
            return found if len(found) >= count else None
        try:
            return wait_until(look, seconds, f"webhook {event} of {account} with {data}")[count - 1]
        except AssertionError as e:
            raise AssertionError(f"{e}; got {self.seen(accepted=False)[-20:]}") from None
