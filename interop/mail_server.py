"""A mail server of PyPI `aiosmtpd` that wants STARTTLS and a login. It prints a line of JSON when it listens, and one for each
mail, as the parser of Python's standard library reads it. The first recipient is put off once.

Arguments: the file with its certificate, the one with the key, user, password."""

import email
import email.policy
import json
import socket
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

CERTIFICATE, KEY, USER, PASSWORD = sys.argv[1:]


def tell(**members):
    print(json.dumps(members), flush=True)


class Handler:
    put_off = False

    async def handle_RCPT(self, server, session, envelope, address, options):
        if not self.put_off:
            self.put_off = True
            return "451 4.7.1 Later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: mail.get_body((kind,)).get_content()
        tell(
            envelope={"from": envelope.mail_from, "to": envelope.rcpt_tos},
            encrypted=session.ssl is not None,
            headers={name: str(value) for name, value in mail.items()},
            defects=[str(defect) for defect in mail.defects],
            text=part("plain"),
            html=part("html"),
        )
        return "250 Taken"


def authenticate(server, session, envelope, mechanism, data):
    known = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=isinstance(data, LoginPassword) and data == known)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(CERTIFICATE, KEY)
# The controller connects to its own port to see whether it listens, so it has to know one.
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
controller = Controller(
    Handler(),
    hostname="127.0.0.1",
    port=port,
    tls_context=context,
    require_starttls=True,
    auth_required=True,
    authenticator=authenticate,
    enable_SMTPUTF8=True,
)
controller.start()
tell(port=port)
threading.Event().wait()
