"""What the test of planted secrets stands on: how a secret may be written, and servers that repeat all that they are shown."""

import base64
import json
import socketserver
import urllib.parse

from test_planted_secrets import Echo, forms


def private_part(pem):
    """What is secret in the PEM of a key of P-256 in PKCS#8: bytes 36 to 67; the rest says what it is, and its public half."""
    lines = [line for line in pem.splitlines() if not line.startswith("-----")]
    return lines[0][48:], lines[1][:26]


def all_forms(secret):
    """A secret and its halves: as they are, in hex, Base64 and percent-encoding."""
    half = len(secret) // 2
    for part in (secret, secret[:half], secret[half:]):
        yield from forms(part)
        yield from (part.encode().hex().encode(), part.encode().hex().upper().encode())


class Push(Echo):
    """As a push service that refuses and repeats all, the token without what stands around it too; the one of each request is kept."""

    tokens = set()

    def do_POST(self):
        words = self.headers.get("authorization", "").replace(",", " ").split()
        token, = (word.removeprefix("t=") for word in words if word.startswith("t="))
        Push.tokens.add(token)
        self.rfile.read(int(self.headers["content-length"]))
        said = "\n".join([token, *words, f"x{token}x", base64.b64encode(token.encode()).decode(), self.path, token.encode().hex()])
        self.send_response(403)
        self.send_header("x-token", token)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())


class Mail(socketserver.StreamRequestHandler):
    """A mail server that takes all mail, repeats the password in each answer, and keeps what it got."""

    mails = []

    def handle(self):
        said, is_data, mail = "", False, b""
        self.wfile.write(b"220 planted ESMTP\r\n")
        for line in self.rfile:
            words = line.strip().decode()
            if is_data:
                mail += line
                if words != ".":
                    continue
                Mail.mails.append(mail)
                is_data, mail = False, b""
                self.wfile.write(f"250 2.0.0 taken {said}\r\n".encode())
            elif words.upper().startswith("EHLO"):
                self.wfile.write(b"250-planted\r\n250 AUTH PLAIN LOGIN\r\n")
            elif words.upper().startswith("AUTH"):
                secret = words.split(" ")[-1]
                said = secret + " " + base64.b64decode(secret).decode().replace("\0", " ")
                self.wfile.write(f"235 2.7.0 welcome {said}\r\n".encode())
            elif words.upper() == "DATA":
                is_data = True
                self.wfile.write(b"354 go on\r\n")
            elif words.upper().startswith("QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(f"250 2.1.0 {said}\r\n".encode())


class Gone(Echo):
    """Mattermost's answer for a hook that is there no more, with what it was asked."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        message = f"{self.path} {urllib.parse.quote(self.path, safe='')}"
        said = json.dumps({"id": "web.incoming_webhook.invalid.app_error", "message": message}).encode()
        self.send_response(404)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
