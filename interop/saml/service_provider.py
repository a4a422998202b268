"""The routes that the service providers in Python share; `node.mjs` says what each does."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

KEY = os.environ["SP_KEY"]
CERTIFICATE = os.environ["SP_CERTIFICATE"]


class Refused(Exception):
    """The library does not accept what it was given."""


class Redirect:
    def __init__(self, url):
        self.url = url


class Page:
    def __init__(self, text, content_type="text/html"):
        self.text = text
        self.content_type = content_type


def serve(make):
    """Serves `make(base_url)`: an object with a method for each route, given the query and the form."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        provider = None

        def handle_one(self):
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            try:
                if url.path == "/configure":
                    answer = self.provider.configure(dict(parse_qsl(body)))
                elif url.path == "/metadata":
                    answer = Page(self.provider.metadata(), "application/samlmetadata+xml")
                elif url.path == "/login":
                    answer = self.provider.login(query)
                elif url.path == "/acs":
                    answer = self.provider.acs(dict(parse_qsl(body, keep_blank_values=True)))
                elif url.path == "/logout":
                    answer = self.provider.logout(query)
                elif url.path == "/slo":
                    form = dict(parse_qsl(body, keep_blank_values=True)) if self.command == "POST" else None
                    answer = self.provider.slo(query, url.query, form)
                elif url.path == "/session":
                    answer = {"signedIn": self.provider.session is not None}
                else:
                    return self.send(404, "")
            except Exception as error:  # Whatever the library raises is its refusal.
                return self.send(403, f"{type(error).__name__}: {error}")
            if isinstance(answer, Redirect):
                return self.send(302, "", location=answer.url)
            if isinstance(answer, Page):
                return self.send(200, answer.text, content_type=answer.content_type)
            return self.send(200, json.dumps(answer, indent=2), content_type="application/json")

        do_GET = do_POST = handle_one

        def send(self, status, text, content_type="text/plain", location=None):
            body = text.encode()
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            if location:
                self.send_header("location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    base_url = f"http://127.0.0.1:{server.server_port}"
    Handler.provider = make(base_url)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"listening on {base_url}", flush=True)
    server.serve_forever()
