"""A stand-in for a HipChat server, written from the vendor's pages on its API v1 (authentication, testing a token, rooms/list,
rooms/message, rate limiting): it takes nothing that the vendor's server would not have taken."""

import html.parser
import http.server
import json
import re
import threading
import time
import urllib.parse

PAGE = "Please see: https://www.hipchat.com/docs/api/auth"
COLORS = ("yellow", "red", "green", "purple", "gray", "random")
TAGS = {"a", "b", "i", "strong", "em", "br", "img", "pre", "code", "ul", "ol", "li", "table", "thead", "tbody", "tr", "td", "th"}
KINDS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
         405: "Method Not Allowed"}
MESSAGE_PARAMETERS = {"room_id", "from", "message", "message_format", "notify", "color"}


class Html(html.parser.HTMLParser):
    """Raises what is no HTML that the vendor takes: other tags, tags left open."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in TAGS:
            raise ValueError(f"the tag {tag}")
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"the end of {tag}")


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class HipChat:
    """`admin` and `notification` are its tokens; `rooms` its rooms by id; each token has `limit` calls in `window` seconds."""

    def __init__(self, limit=100, window=300):
        self.admin, self.notification = "admintoken&/0123456789", "notifytoken=+987654321"
        self.rooms = {7: "Ops", 8: "Nights & <Days>"}
        self.limit, self.window = limit, window
        self.messages, self.answers = [], []
        self.used = {}
        # Calls that find the limit used up by others, whatever was called here.
        self.used_up = 0
        self.lock = threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def answer(self):
                with server.lock:
                    body = self.rfile.read(int(self.headers.get("content-length") or 0))
                    status, document, headers = server.handle(self.command, self.path, self.headers, body)
                    until = int(headers.get("X-RateLimit-Reset", 0))
                    server.answers.append((time.time(), status, document, until))
                text = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handle(self, verb, path, headers, body):
        where = urllib.parse.urlsplit(path)
        query = pairs(where.query)
        token = query.get("auth_token")
        form = None
        if body:
            if headers.get_content_type() != "application/x-www-form-urlencoded":
                return *error(400, f"Content-Type {headers.get('content-type')} is not supported"), {}
            form = pairs(body.decode("ascii"))
            token = token or form.pop("auth_token", None)
        if token not in (self.admin, self.notification):
            status, document = error(401, f"Auth token invalid. {PAGE}")
            return status, document, {}
        left, reset = self.count(token)
        told = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(max(left, 0)),
                "X-RateLimit-Reset": str(reset)}
        try:
            if left < 0:
                raise Refused(403, "You have exceeded the rate limit. Please see: https://www.hipchat.com/docs/api/rate_limiting")
            given = {name: value for name, value in query.items() if name not in ("auth_token", "format", "auth_test")}
            if query.get("format", "json") != "json":
                raise Refused(400, "only the format json is spoken here")
            status, document = self.call(verb, where.path.replace("//", "/"), token, query, {**given, **(form or {})})
        except Refused as refused:
            status, document = error(refused.status, str(refused))
        return status, document, told

    def count(self, token):
        """Counts a call: how many are left, below zero when it is too many, and when counting begins anew."""
        now = time.time()
        until, used = self.used.get(token, (0, 0))
        if now >= until:
            until, used = int(now) + self.window, 0
        if self.used_up:
            self.used_up -= 1
            return -1, int(now) + self.window
        self.used[token] = (until, used + 1)
        return self.limit - used - 1, until

    def call(self, verb, path, token, query, given):
        methods = {"/v1/rooms/list": (("GET",), self.list), "/v1/rooms/message": (("GET", "POST"), self.message)}
        if path not in methods:
            raise Refused(404, "Unknown method")
        verbs, method = methods[path]
        if verb not in verbs:
            raise Refused(405, f"Method must be {' or '.join(verbs)}")
        if method == self.list and token != self.admin:
            raise Refused(401, f"This auth token does not have access to this method. {PAGE}")
        if query.get("auth_test") == "true":
            message = "This auth_token has access to use this method."
            return 202, {"success": {"code": 202, "type": KINDS[202], "message": message}}
        return 200, method(given)

    def list(self, given):
        if given:
            raise Refused(400, f"Unknown parameters: {sorted(given)}")
        return {"rooms": [{
            "room_id": number, "name": name, "topic": "", "last_active": 1269020400, "created": 1269010311, "owner_user_id": 1,
            "is_archived": False, "is_private": False, "xmpp_jid": f"{number}@conf.hipchat.com",
        } for number, name in self.rooms.items()]}

    def message(self, given):
        unknown = set(given) - MESSAGE_PARAMETERS
        if unknown:
            raise Refused(400, f"Unknown parameters: {sorted(unknown)}")
        for name in ("room_id", "from", "message"):
            if not given.get(name):
                raise Refused(400, f"Parameter {name} is required")
        if not re.fullmatch(r"[A-Za-z0-9_ -]{1,15}", given["from"]):
            raise Refused(400, "From must be 1 to 15 letters, numbers, -, _ and spaces")
        if len(given["message"]) > 10_000:
            raise Refused(400, "Message must not have more than 10,000 characters")
        if given.get("color", "yellow") not in COLORS:
            raise Refused(400, f"Color must be one of {COLORS}")
        if given.get("notify", "0") not in ("0", "1"):
            raise Refused(400, "Notify must be 0 or 1")
        kind = given.get("message_format", "html")
        if kind not in ("html", "text"):
            raise Refused(400, "Message format must be html or text")
        if kind == "html":
            self.check_html(given["message"])
        if given["room_id"] not in [str(number) for number in self.rooms] + list(self.rooms.values()):
            raise Refused(404, "Room not found")
        self.messages.append(given)
        return {"status": "sent"}

    @staticmethod
    def check_html(text):
        if re.search(r"&(?!amp;|lt;|gt;|quot;|#\d+;|#x[0-9a-fA-F]+;)", text):
            raise Refused(400, "Entities must be escaped")
        parser = Html()
        try:
            parser.feed(text)
            parser.close()
        except ValueError as problem:
            raise Refused(400, f"Message is no valid HTML: {problem}") from None
        if parser.open or parser.rawdata:
            raise Refused(400, "Message is no valid HTML: it is left open")

    def statuses(self):
        return [status for _, status, _, _ in self.answers]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def pairs(text):
    """Parameters, each at most once."""
    found = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    assert len(dict(found)) == len(found), f"a parameter twice: {text}"
    return dict(found)


def error(status, message):
    return status, {"error": {"code": status, "type": KINDS[status], "message": message}}
