"""Control requests, for tests in other processes: move the clock, change tenders, order faults, look at the
traffic.

All are below ``/__replay__/`` and answered on loopback only; bodies and answers are JSON. docs/replay.md
lists them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from app.replay.answers import Answer
from app.replay.calendar import JsonObject, instant_of
from app.replay.config import ReplayError
from app.replay.delivery import Receive, Scope
from app.replay.derived import PREFIX as OCID_PREFIX
from app.replay.faults import KINDS
from app.replay.traffic import HOSTS

if TYPE_CHECKING:
    from app.replay.stand_in import StandIn

PREFIX = "/__replay__"
_MOST_TRUTH = 1_000


@dataclass
class _Order:
    endpoint: str
    ocid: str | None
    fault: str
    times: int


class Orders:
    """Faults ordered for coming requests, oldest first; a request obeys at most one."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def add(self, endpoint: str, fault: str, *, times: int = 1, ocid: str | None = None) -> None:
        """The next `times` requests (-1: all) of an endpoint, or of one ocid's release, get this fault.

        Raises ValueError for an unknown endpoint or fault.
        """
        if endpoint not in HOSTS:
            raise ValueError(f"endpoint {endpoint!r} is none of {', '.join(HOSTS)}")
        if fault not in KINDS:
            raise ValueError(f"fault {fault!r} is none of {', '.join(KINDS)}")
        self._orders.append(_Order(endpoint, ocid, fault, times))

    def clear(self) -> None:
        """Forget all orders."""
        self._orders.clear()

    def take(self, endpoint: str, path: str) -> str | None:
        """The fault that a request must suffer."""
        for order in self._orders:
            if order.endpoint == endpoint and (order.ocid is None or path.endswith(f"/{order.ocid}")):
                order.times -= 1
                if order.times == 0:
                    self._orders.remove(order)
                return order.fault
        return None


async def answer(stand_in: StandIn, scope: Scope, receive: Receive) -> Answer:
    """Do what a control request asks: 403 away from loopback, 404 for an unknown one, 400 with the reason
    for a bad one.
    """
    if not _is_loopback(scope.get("client")):
        return _json({"error": "Control requests are answered on loopback only."}, 403)
    name = scope["path"].lower().rstrip("/").removeprefix(PREFIX).strip("/")
    action = _ACTIONS.get((scope["method"], name))
    if action is None:
        known = ", ".join(f"{method} {PREFIX}/{path}" for method, path in _ACTIONS)
        return _json({"error": f"Unknown control request. Known: {known}."}, 404)
    try:
        return _json(action(stand_in, await _parameters(scope, receive)))
    except (ValueError, TypeError, KeyError, ReplayError) as error:
        return _json({"error": f"{name}: {error}"}, 400)


def _is_loopback(client: Any) -> bool:
    return client is None or ipaddress.ip_address(client[0]).is_loopback


async def _parameters(scope: Scope, receive: Receive) -> JsonObject:
    parameters: JsonObject = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = orjson.loads(body) if body.strip() else {}
    if not isinstance(given, dict):
        raise TypeError("the body must be a JSON object")
    return parameters | given


def _json(content: Any, status: int = 200) -> Answer:
    return Answer(orjson.dumps(content), status=status)


def _state(stand_in: StandIn) -> JsonObject:
    world = stand_in.world
    return {
        "now": instant_of(world.now()).isoformat(),
        "mood": stand_in.faults,
        "failingIds": stand_in.failing,
        "tenders": len(world.numbers),
        "waiting": len(world.waiting()),
    }


def _stats(stand_in: StandIn, parameters: JsonObject) -> JsonObject:
    return stand_in.traffic.summary(int(parameters.get("log", 0))) | _state(stand_in)


def _reset(stand_in: StandIn, _: JsonObject) -> JsonObject:
    stand_in.traffic.reset()
    return _state(stand_in)


def _clock(stand_in: StandIn, parameters: JsonObject) -> JsonObject:
    if "now" in parameters:
        instant = datetime.fromisoformat(parameters["now"])
        if instant.tzinfo is None:
            raise ValueError("now needs a zone, for example 2026-08-14T11:00:00+02:00")
        stand_in.world.advance_to(instant)
    else:
        stand_in.world.advance(int(parameters["advance_seconds"]))
    return _state(stand_in)


def _set_faults(stand_in: StandIn, parameters: JsonObject) -> JsonObject:
    stand_in.set_faults(str(parameters["faults"]))
    stand_in.orders.clear()
    return _state(stand_in)


def _fail(stand_in: StandIn, parameters: JsonObject) -> JsonObject:
    stand_in.orders.add(
        str(parameters["endpoint"]),
        str(parameters["fault"]),
        times=int(parameters.get("times", 1)),
        ocid=parameters.get("ocid"),
    )
    return _state(stand_in)


def _publish(stand_in: StandIn, parameters: JsonObject) -> JsonObject:
    if "ocid" in parameters:
        numbers = [_number(parameters["ocid"])]
    else:
        numbers = stand_in.world.waiting()[: int(parameters["count"])]
    published = stand_in.world.publish(numbers)
    return _state(stand_in) | {"published": published}


def _change(stand_in: StandIn, parameters: JsonObject) -> JsonObject:
    kind = str(parameters.get("kind", "amend"))
    stand_in.world.change(_number(parameters["ocid"]), kind)
    return _state(stand_in)


def _truth(stand_in: StandIn, parameters: JsonObject) -> JsonObject:
    offset, limit = int(parameters.get("offset", 0)), int(parameters.get("limit", _MOST_TRUTH))
    tenders = list(stand_in.truth(offset, min(limit, _MOST_TRUTH)))
    return _state(stand_in) | {"offset": offset, "data": tenders}


def _number(ocid: object) -> int:
    text = str(ocid).removeprefix(OCID_PREFIX)
    if not text.isdecimal():
        raise ValueError(f"{ocid!r} is not like {OCID_PREFIX}134203")
    return int(text)


_ACTIONS: dict[tuple[str, str], Callable[[StandIn, JsonObject], JsonObject]] = {
    ("GET", "stats"): _stats,
    ("DELETE", "stats"): _reset,
    ("POST", "clock"): _clock,
    ("POST", "faults"): _set_faults,
    ("POST", "fail"): _fail,
    ("POST", "publish"): _publish,
    ("POST", "amend"): _change,
    ("GET", "truth"): _truth,
}
