"""A registered function: its configuration read, checked and refused with a reason where it cannot be kept."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from engine import cron, durations, expressions, ids

DEFAULT_RETRIES = 4
MAX_RETRIES = 20
MAX_PRIORITY_SECONDS = 43_200
MAX_BATCH = 1_000
Scope = Literal["fn", "env", "account"]


class RefusedError(ValueError):
    """A function, or an app, that cannot be registered; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a run: an event by name (and expression), or a cron schedule."""

    event: str | None = None
    expression: str | None = None
    schedule: cron.Schedule | None = None


@dataclass(frozen=True, slots=True)
class Concurrency:
    limit: int
    key: str | None = None
    scope: Scope = "fn"


@dataclass(frozen=True, slots=True)
class Throttle:
    limit: int
    period: timedelta
    burst: int = 1
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    limit: int
    period: timedelta
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Debounce:
    period: timedelta
    timeout: timedelta | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    max_size: int
    timeout: timedelta
    key: str | None = None
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    event: str
    condition: str | None = None
    timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Singleton:
    mode: Literal["skip", "cancel"]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """Everything that the engine knows about one function, ready to decide with."""

    id: uuid.UUID
    app: str
    slug: str
    name: str
    url: str
    retries: int
    triggers: tuple[Trigger, ...]
    concurrency: tuple[Concurrency, ...] = ()
    throttle: Throttle | None = None
    rate_limit: RateLimit | None = None
    debounce: Debounce | None = None
    batch: Batch | None = None
    priority: str | None = None
    idempotency: str | None = None
    singleton: Singleton | None = None
    cancel: tuple[Cancel, ...] = ()
    start_timeout: timedelta | None = None
    finish_timeout: timedelta | None = None
    config: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def max_attempts(self) -> int:
        return self.retries + 1

    @property
    def plain(self) -> bool:
        """Whether an event starts a run at once, with nothing to decide first."""
        return not (self.rate_limit or self.debounce or self.batch or self.singleton or self.idempotency)

    @property
    def gated(self) -> bool:
        """Whether a run may have to wait for its turn."""
        return bool(self.concurrency or self.throttle or self.priority)

    def step_url(self, step_id: str) -> str:
        """Where to call one step of the function."""
        return _url_head(self.url) + step_id


@lru_cache(maxsize=4096)
def _url_head(url: str) -> str:
    """A function's URL up to the value of `stepId`."""
    parts = urlsplit(url)
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k != "stepId"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("stepId", "")])))


_KNOWN = frozenset(
    {
        "id", "name", "triggers", "steps", "cancel", "concurrency", "throttle", "rateLimit", "debounce",
        "batchEvents", "priority", "idempotency", "timeouts", "singleton",
    }
)  # fmt: skip


def parse(app: str, raw: object) -> Function:
    """Read one function of a registration; raises `RefusedError` naming the function and the fault."""
    if not isinstance(raw, dict):
        raise RefusedError("a function in the registration is not an object")
    slug = raw.get("id")
    if not isinstance(slug, str) or not slug or "\x00" in slug or len(slug) > 512:
        raise RefusedError("a function in the registration has no usable id")
    try:
        return _parse(app, slug, cast("dict[str, Any]", raw))
    except (
        RefusedError,
        durations.BadDurationError,
        expressions.BadExpressionError,
        cron.BadScheduleError,
    ) as error:
        raise RefusedError(f"function {slug}: {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RefusedError(f"function {slug}: malformed configuration ({error!r})") from None


def _parse(app: str, slug: str, raw: dict[str, Any]) -> Function:
    unknown = [name for name, value in raw.items() if name not in _KNOWN and value not in (None, [], {}, "")]
    if unknown:
        raise RefusedError(f"{', '.join(sorted(unknown))} is not supported by this engine")
    steps = raw.get("steps")
    if not isinstance(steps, dict) or len(steps) != 1:
        raise RefusedError("exactly one entry in steps is expected")
    step: dict[str, Any] = next(iter(steps.values()))
    runtime = step["runtime"]
    url = runtime["url"]
    if runtime.get("type", "http") != "http" or not str(url).startswith(("http://", "https://")):
        raise RefusedError(
            "only functions served over HTTP are supported; Connect workers are not "
            f"(runtime {runtime.get('type')!r})"
        )
    retries = (step.get("retries") or {}).get("attempts", DEFAULT_RETRIES)
    if not _whole(retries) or not 0 <= retries <= MAX_RETRIES:
        raise RefusedError(f"retries {retries!r} is out of range; 0 to {MAX_RETRIES} are possible")
    priority = (raw.get("priority") or {}).get("run")
    timeouts = raw.get("timeouts") or {}
    function = Function(
        id=ids.function_id(slug),
        app=app,
        slug=slug,
        name=str(raw.get("name") or slug).replace("\x00", ""),
        url=url,
        retries=retries,
        triggers=_triggers(raw.get("triggers")),
        concurrency=_concurrency(raw.get("concurrency")),
        throttle=_throttle(raw.get("throttle")),
        rate_limit=_rate_limit(raw.get("rateLimit")),
        debounce=_debounce(raw.get("debounce")),
        batch=_batch(raw.get("batchEvents")),
        priority=expressions.check(priority) if priority else None,
        idempotency=expressions.check(raw["idempotency"]) if raw.get("idempotency") else None,
        singleton=_singleton(raw.get("singleton")),
        cancel=_cancel(raw.get("cancel")),
        start_timeout=durations.parse(timeouts["start"]) if timeouts.get("start") else None,
        finish_timeout=durations.parse(timeouts["finish"]) if timeouts.get("finish") else None,
        config=raw,
    )
    return _consistent(function)


def _consistent(function: Function) -> Function:
    """Refuse what cannot be meant together."""
    if function.batch:
        others = {
            "singleton": function.singleton, "cancel": function.cancel, "debounce": function.debounce,
            "rateLimit": function.rate_limit, "idempotency": function.idempotency,
        }  # fmt: skip
        clash = [name for name, value in others.items() if value]
        if clash:
            raise RefusedError(f"batchEvents cannot be combined with {', '.join(clash)}")
    return function


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _limit(value: object, what: str, *, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise RefusedError(f"{what} {value!r} must be a whole number of at least {least}")
    return value


def _key(raw: dict[str, Any]) -> str | None:
    return expressions.check(raw["key"]) if raw.get("key") else None


def _period(raw: dict[str, Any], what: str) -> timedelta:
    period = durations.parse(raw.get("period"))
    if period < timedelta(seconds=1):
        raise RefusedError(f"{what} must be at least one second")
    return period


def _triggers(raw: object) -> tuple[Trigger, ...]:
    """A function may have no trigger: it runs when it is invoked."""
    if not isinstance(raw, list):
        raise RefusedError("triggers must be a list")
    return tuple(_trigger(one) for one in raw)


def _trigger(raw: dict[str, Any]) -> Trigger:
    if raw.get("cron"):
        return Trigger(schedule=cron.parse(raw["cron"], jitter=raw.get("jitter")))
    event = raw.get("event")
    if not isinstance(event, str) or not event:
        raise RefusedError("a trigger needs an event or a cron schedule")
    expression = raw.get("expression")
    return Trigger(event=event, expression=expressions.check(expression) if expression else None)


def _concurrency(raw: object) -> tuple[Concurrency, ...]:
    items: list[Any] = list(raw) if isinstance(raw, list) else [raw] if raw else []
    if len(items) > 2:
        raise RefusedError("at most two concurrency limits are possible")
    found = []
    for item in items:
        if _whole(item):
            item = {"limit": item}  # noqa: PLW2901
        scope: Any = item.get("scope") or "fn"
        if scope not in ("fn", "env", "account"):
            raise RefusedError(f"concurrency scope {scope!r} is unknown; fn, env and account are possible")
        key = _key(item)
        if scope != "fn" and key is None:
            raise RefusedError(f"concurrency with scope {scope} needs a key")
        limit = _limit(item.get("limit"), "concurrency limit", least=0)
        if limit:
            found.append(Concurrency(limit=limit, key=key, scope=scope))
    return tuple(found)


def _throttle(raw: dict[str, Any] | None) -> Throttle | None:
    if not raw:
        return None
    burst = raw.get("burst")
    return Throttle(
        limit=_limit(raw.get("limit"), "throttle limit"),
        period=_period(raw, "the throttle's period"),
        burst=1 if burst is None else max(1, _limit(burst, "throttle burst", least=0)),
        key=_key(raw),
    )


def _rate_limit(raw: dict[str, Any] | None) -> RateLimit | None:
    if not raw:
        return None
    return RateLimit(
        limit=_limit(raw.get("limit"), "rate limit"),
        period=_period(raw, "the rate limit's period"),
        key=_key(raw),
    )


def _debounce(raw: dict[str, Any] | None) -> Debounce | None:
    if not raw:
        return None
    return Debounce(
        period=_period(raw, "the debounce period"),
        timeout=durations.parse(raw["timeout"]) if raw.get("timeout") else None,
        key=_key(raw),
    )


def _batch(raw: dict[str, Any] | None) -> Batch | None:
    if not raw:
        return None
    size = _limit(raw.get("maxSize"), "batchEvents maxSize")
    if size > MAX_BATCH:
        raise RefusedError(f"batchEvents maxSize {size} is over {MAX_BATCH}")
    condition = raw.get("if")
    return Batch(
        max_size=size,
        timeout=durations.parse(raw["timeout"]) if raw.get("timeout") else timedelta(seconds=60),
        key=_key(raw),
        condition=expressions.check(condition) if condition else None,
    )


def _singleton(raw: dict[str, Any] | None) -> Singleton | None:
    if not raw:
        return None
    mode: Any = raw.get("mode") or "skip"
    if mode not in ("skip", "cancel"):
        raise RefusedError(f"singleton mode {mode!r} is unknown; skip and cancel are possible")
    return Singleton(mode=mode, key=_key(raw))


def _cancel(raw: list[dict[str, Any]] | None) -> tuple[Cancel, ...]:
    found = []
    for item in raw or []:
        if not isinstance(item.get("event"), str) or not item["event"]:
            raise RefusedError("cancel needs an event")
        found.append(
            Cancel(
                event=item["event"],
                condition=expressions.check(item["if"]) if item.get("if") else None,
                timeout=durations.parse(item["timeout"]) if item.get("timeout") else None,
            )
        )
    return tuple(found)
