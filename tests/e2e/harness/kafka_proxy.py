"""A broker behind a proxy that knows Kafka's requests, so that a test can act at one of them."""

import asyncio
import struct

from .kafka import Kafka
from .processes import free_port
from .proxy import Broken, Connection, Proxy

# https://kafka.apache.org/protocol#protocol_api_keys
_NAMES = {
    1: "Fetch",
    2: "ListOffsets",
    3: "Metadata",
    8: "OffsetCommit",
    9: "OffsetFetch",
    10: "FindCoordinator",
    11: "JoinGroup",
    12: "Heartbeat",
    13: "LeaveGroup",
    14: "SyncGroup",
    18: "ApiVersions",
    32: "DescribeConfigs",
}


class Aim:
    """One request that a test waits for; made by KafkaProxy.aim()."""

    def __init__(self, number, when, act, name):
        self.number, self.when, self.act, self.name = number, when, act, name
        self.seen = 0
        self.hit = None  # the name of that request, once act() is called for it

    def counts(self, name):
        """The number of this request, 0 where it is not one of those that count."""
        if self.name not in (None, name):
            return 0
        self.seen += 1
        return self.seen

    def fire(self, name):
        self.hit = name
        self.act()


class KafkaProxy(Proxy):
    """Proxy for a broker.

    aim = proxy.aim(7, "asked", act)       act() before the broker gets the 7th request from now on
    aim = proxy.aim(7, "answered", act)    ... before the client gets that request's answer
    aim = proxy.aim(1, "asked", act, "LeaveGroup")    the same of one kind of request

    Neither is passed on then: that connection is reset. Only the latest aim is in force.

    proxy.lost_controllers = 5    the next five answers to Metadata name a controller that is gone
    """

    def __init__(self, target):
        self.aimed = None
        self.lost_controllers = 0
        super().__init__(target)

    def aim(self, number, when, act, name=None):
        assert when in ("asked", "answered") and (name is None or name in _NAMES.values())
        self.aimed = Aim(number, when, act, name)
        return self.aimed

    def heal(self):
        self.aimed = None
        self.lost_controllers = 0
        super().heal()

    def _connection(self, client, target):
        return _KafkaConnection(self, client, target)


class _KafkaConnection(Connection):
    def __init__(self, proxy, client, target):
        super().__init__(proxy, client, target)
        self._open = {}  # requests without an answer, by their correlation id

    def _reached(self, when, name, aim, number):
        if aim is not None and aim is self.proxy.aimed and (aim.when, aim.number) == (when, number):
            aim.fire(name)
            raise Broken

    async def _up(self):
        while (frame := await _frame(self.client[0])) is not None:
            api, version, correlation = struct.unpack_from(">hhi", frame, 4)
            name, aim = _NAMES.get(api, f"api {api}"), self.proxy.aimed
            request = (name, aim, aim.counts(name) if aim else 0)
            self._reached("asked", *request)
            self._open[correlation] = (version, request)
            await self._send_up(frame)

    async def _down(self):
        while (frame := await _frame(self.target[0])) is not None:
            (correlation,) = struct.unpack_from(">i", frame, 4)
            version, request = self._open.pop(correlation)
            self._reached("answered", *request)
            if request[0] == "Metadata" and self.proxy.lost_controllers > 0:
                self.proxy.lost_controllers -= 1
                frame = _with_lost_controller(frame, version)
            await self._send_down(frame)


def _with_lost_controller(frame, version):
    """https://kafka.apache.org/protocol#The_Messages_Metadata"""
    assert 3 <= version <= 8, f"Metadata version {version} lies otherwise"

    def string_end(at):
        (length,) = struct.unpack_from(">h", frame, at)
        return at + 2 + max(length, 0)

    begin = 4 + 4 + 4  # length, correlation id, throttle time
    (brokers,) = struct.unpack_from(">i", frame, begin)
    at = begin + 4
    for _ in range(brokers):
        at = string_end(string_end(at + 4) + 4)  # node id, host, port, rack
    lost = struct.pack(">ih9sih", 999, 9, b"127.0.0.1", 1, -1)
    controller = string_end(at)  # behind the cluster's id
    body = (
        frame[4:begin]
        + struct.pack(">i", brokers + 1)
        + frame[begin + 4 : at]
        + lost
        + frame[at:controller]
        + struct.pack(">i", 999)
        + frame[controller + 4 :]
    )
    return struct.pack(">i", len(body)) + body


async def _frame(reader):
    """A request or an answer with the length before it; None where the connection ends."""
    try:
        head = await reader.readexactly(4)
        return head + await reader.readexactly(struct.unpack(">i", head)[0])
    except asyncio.IncompleteReadError:
        return None


class ProxiedKafka(Kafka):
    """A broker with a second listener, which is reached and advertised through `proxy` alone.

    The harness's own clients go past it.
    """

    def __init__(self, directory):
        super().__init__(directory)
        behind = free_port()
        self.proxy = KafkaProxy(behind)
        lines = self._config.read_text().splitlines()
        more = {
            "listeners": f",PROXIED://127.0.0.1:{behind}",
            "advertised.listeners": f",PROXIED://127.0.0.1:{self.proxy.port}",
        }
        lines = [line + more.get(line.split("=")[0], "") for line in lines]
        names = ("PLAINTEXT", "CONTROLLER", "PROXIED")
        protocols = ",".join(f"{name}:PLAINTEXT" for name in names)
        lines.append(f"listener.security.protocol.map={protocols}")
        self._config.write_text("\n".join(lines) + "\n")

    def proxied_settings(self):
        return {"kafka.bootstrap_servers": f"127.0.0.1:{self.proxy.port}"}
