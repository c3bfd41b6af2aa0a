"""A TCP proxy that breaks what passes through it, when and where a test says."""

import asyncio
import re
import socket
import struct
import threading
import time

from .processes import free_port

_PIECE = 65536


class Fault:
    """What happens to the next requests that match; made by Proxy.fault().

    `hits` counts those to which it has happened, or happens now.
    """

    def __init__(self, pattern, action, after, times, skip, chance):
        self.pattern, self.action, self.after = re.compile(pattern), action, after
        self.left, self.skip, self.chance = times, skip, chance
        self.hits = 0
        self.released = False

    def release(self):
        """Let go what is held, and what would be held later."""
        self.released = True

    def end(self):
        """From now on it happens to no request."""
        self.left = 0

    async def until_released(self):
        while not self.released:
            await asyncio.sleep(0.01)

    def _takes(self, line):
        if self.left <= 0 or not self.pattern.search(line) or not self.chance():
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.left -= 1
        return True


class Proxy:
    """127.0.0.1:`port` leads to 127.0.0.1:`target`. With `http` it knows where requests begin.

    Whatever it carries:

        proxy.delay = 0.05        every piece waits so many seconds, in both directions
        proxy.refusing = True     new connections are reset
        proxy.silent = True       a black hole: nothing passes, connections stay open
        proxy.limit_up = 1000     connections are reset after so many bytes to the target
        proxy.limit_down = 1000   ... or from it
        proxy.reset()             resets all connections

    Single requests, where it carries HTTP:

        fault = proxy.fault(r"^POST .*uploadId=", "lose")
        ... fault.hits ...

    `answers` lists (request line, status) of all that the target has answered, lost ones too.
    """

    def __init__(self, target, http=False):
        self.port, self.target, self.http = free_port(), target, http
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.delay = 0.0
        self.refusing = self.silent = False
        self.limit_up = self.limit_down = None
        self.answers = []
        self._faults = []
        self._connections = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def fault(self, pattern, action, after=0, times=1, skip=0, chance=None):
        """Break the next requests whose line ("PUT /bucket/key?query HTTP/1.1") matches.

        lose    the target gets the request and answers it; the answer is lost, by a reset
        cut     `after` bytes of the answer come back, then the connection ends
        tear    the target gets `after` bytes of the body, then both connections are reset
        leave   the client vanishes `after` ms after the target has got the whole request
        hold    the request waits until release()
        keep    the target gets the request and answers it; the answer waits until release()
        BYTES   the client gets these bytes as the answer, and the target gets nothing

        Of several faults that match a request the first takes it. It lets `skip` requests pass,
        then happens `times` times, each time only where chance() is true.
        """
        fault = Fault(pattern, action, after, times, skip, chance or (lambda: True))
        self._faults.append(fault)
        return fault

    def _take(self, line):
        return next((fault for fault in self._faults if fault._takes(line)), None)

    def reset(self):
        async def reset():
            for connection in list(self._connections):
                connection.reset()

        self._call(reset())

    def heal(self):
        """Let everything pass again."""
        self.delay, self.refusing, self.silent = 0.0, False, False
        self.limit_up = self.limit_down = None
        for fault in self._faults:
            fault.release()
        self._faults.clear()

    def stop(self):
        async def stop():
            self._server.close()
            for connection in list(self._connections):
                connection.reset()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others, timeout=5)

        self.heal()
        self.refusing = True
        self._call(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _connection(self, client, target):
        return Connection(self, client, target)

    async def _accept(self, reader, writer):
        if self.refusing:
            _reset(writer)
            return
        try:
            target = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            target = None
        if target is None or self.refusing:
            _reset(writer)
            return
        connection = self._connection((reader, writer), target)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


class Broken(Exception):
    """The connection is to be reset."""


class Connection:
    def __init__(self, proxy, client, target):
        self.proxy, self.client, self.target = proxy, client, target
        self.passed_up = self.passed_down = 0
        self.line, self.answer_fault = None, None
        self.was_held = False

    async def run(self):
        up = asyncio.ensure_future(self._requests() if self.proxy.http else self._up())
        down = asyncio.ensure_future(self._down())
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            broken = any(t.done() and t.exception() is not None for t in (up, down))
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        for _, writer in (self.client, self.target):
            if broken:
                _reset(writer)
            else:
                writer.close()  # what is written goes out first

    def reset(self):
        _reset(self.client[1])
        _reset(self.target[1])

    async def _gate(self):
        if self.proxy.delay:
            await asyncio.sleep(self.proxy.delay)
        while self.proxy.silent:
            await asyncio.sleep(0.01)

    async def _send_up(self, piece):
        await self._gate()
        limit, before = self.proxy.limit_up, self.passed_up
        self.passed_up += len(piece)
        await _send(self.target[1], piece, limit, before)

    async def _send_down(self, piece):
        await self._gate()
        limit, before = self.proxy.limit_down, self.passed_down
        self.passed_down += len(piece)
        await _send(self.client[1], piece, limit, before)

    async def _up(self):
        while True:
            piece = await self.client[0].read(_PIECE)
            if not piece:
                return
            await self._send_up(piece)

    async def _down(self):
        while True:
            piece = await self.target[0].read(_PIECE)
            if not piece:
                return
            if self.line:
                self.proxy.answers.append((self.line, int(piece.split(b" ", 2)[1])))
                self.line = None
            fault, self.answer_fault = self.answer_fault, None
            if fault is None:
                await self._send_down(piece)
                continue
            fault.hits += 1
            if fault.action == "lose":
                raise Broken
            if fault.action == "keep":
                await fault.until_released()
                await self._send_down(piece)
                continue
            await self._send_down(piece[: fault.after])
            return

    async def _requests(self):
        reader = self.client[0]
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                while self.was_held and self.line:  # its answer is of interest, client or not
                    await asyncio.sleep(0.01)
                return
            length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
            await self._request(head, int(length[1]) if length else 0)

    async def _request(self, head, length):
        line = head.split(b"\r\n", 1)[0].decode("latin-1")
        fault = self.proxy._take(line)
        action = fault and fault.action
        if action == "hold":
            fault.hits += 1
            self.was_held = True
            await fault.until_released()
        if isinstance(action, bytes):
            fault.hits += 1
            await self._body(length, lambda piece: asyncio.sleep(0))
            await self._send_down(action)
            return
        if action in ("lose", "cut", "keep"):
            self.answer_fault = fault
        self.line = line
        await self._send_up(head)
        await self._body(min(length, fault.after) if action == "tear" else length, self._send_up)
        if action == "leave":
            await asyncio.sleep(fault.after / 1000)
        if action in ("leave", "tear"):
            fault.hits += 1
            raise Broken

    async def _body(self, length, send):
        while length > 0:
            piece = await self.client[0].read(min(length, _PIECE))
            if not piece:
                raise Broken
            length -= len(piece)
            await send(piece)


async def _send(writer, piece, limit, before):
    over = limit is not None and before + len(piece) > limit
    writer.write(piece[: max(0, limit - before)] if over else piece)
    await writer.drain()
    if over:
        raise Broken


def _reset(writer):
    """End the connection as a crash of the other side would: RST, and nothing more goes out."""
    endpoint = writer.get_extra_info("socket")
    try:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass  # it is closed already
    writer.transport.abort()


def answer(status, code="", message="a fault of the tests' own"):
    """Bytes of an S3 answer with an <Error> in its body."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if code else ""
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    head = f"HTTP/1.1 {status} Fault\r\nContent-Length: {len(body)}\r\nDate: {date}\r\n"
    return f"{head}Content-Type: application/xml\r\n\r\n{body}".encode()
