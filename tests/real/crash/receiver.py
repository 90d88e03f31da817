"""One HTTP server for all destinations: it notes every request before it answers, and answers by a rule."""

import asyncio
import json
import threading
import time
import typing


class Receipt(typing.NamedTuple):
    """A request that arrived whole."""

    at: float  # milliseconds since the epoch
    path: str
    id: str  # its webhook-id
    n: str  # what the event's payload calls itself
    body: dict
    status: int  # the answer; 0 when it hung up instead


class Receiver:
    """Listens on loopback. `answer(path, n, count)` says what to do with the `count`-th request of that event at that path: a
    status, or 0 to hang up, and the seconds to take over it."""

    def __init__(self, answer):
        self.answer = answer
        self.receipts = []
        self.counts = {}
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self._run, args=(started,), daemon=True).start()
        started.wait()

    def _run(self, started):
        asyncio.set_event_loop(self.loop)

        async def listen():
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
            self.port = server.sockets[0].getsockname()[1]
            started.set()

        self.loop.create_task(listen())
        self.loop.run_forever()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    async def _serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request, *lines = head.split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                path = request.split(" ")[1].lstrip("/")
                count = self.counts[path, body["n"]] = self.counts.get((path, body["n"]), 0) + 1
                status, seconds = self.answer(path, body["n"], count)
                self.receipts.append(
                    Receipt(time.time() * 1000, path, headers["webhook-id"], body["n"], body, status)
                )
                if seconds:
                    await asyncio.sleep(seconds)
                if not status:
                    return
                writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 2\r\n\r\nok".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
