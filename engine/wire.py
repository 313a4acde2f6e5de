"""The protocol's messages: the request that calls an SDK, and what its answer means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson

from engine import surrogates

ROOT = "step"
UNKNOWN_VERSION = -1
MAX_STEP_OUTPUT = 4 * 1024 * 1024
MAX_STATE = 32 * 1024 * 1024
MAX_STEPS = 1_000
# Above this much state the SDK is told to fetch events and memos itself.
API_STATE = 4 * 1024 * 1024
_MAX_NAME = 1024
_STREAMED = 201

# What SDKs of the protocol's first versions call a step that ran; they wrap its output themselves.
_OLD_RUN = "Step"
RUN, SLEEP, WAIT, INVOKE = "StepRun", "Sleep", "WaitForEvent", "InvokeFunction"
PLANNED, ERROR, FAILED = "StepPlanned", "StepError", "StepFailed"
_OPS = {RUN, _OLD_RUN, SLEEP, WAIT, INVOKE, PLANNED, ERROR, FAILED}
# Not a step: an SDK that checkpoints says in this way that the function returned, after its last steps.
_COMPLETE = "RunComplete"


@dataclass(frozen=True, slots=True)
class Call:
    """What one request says beside the run's state."""

    run_id: str
    fn_id: str
    target: str
    attempt: int
    max_attempts: int
    disable_immediate_execution: bool
    job_id: str
    request_id: str
    version: int
    use_api: bool = False


def stack_json(step_ids: Sequence[str]) -> bytes:
    """The ids of the ended steps, in the order of their end."""
    return ('["' + '","'.join(step_ids) + '"]').encode() if step_ids else b"[]"


def memos_json(memos: Mapping[str, bytes]) -> bytes:
    """The memos as one JSON object, from their encoded values."""
    return b"{" + b",".join(b'"%b":%b' % (key.encode(), memo) for key, memo in memos.items()) + b"}"


def request_body(call: Call, *, events: Sequence[bytes], memos: bytes, stack: bytes, depth: int) -> bytes:
    """The body of one invocation, put together from encoded parts; its keys are in canonical order."""
    flag = b"true" if call.use_api else b"false"
    listed = b"" if call.use_api else b",".join(events)
    return (
        b'{"ctx":{"attempt":%d,"disable_immediate_execution":%b,"env":"","fn_id":"%b","generation_id":%d,'
        b'"job_id":"%b","max_attempts":%d,"qi_id":"%b","request_id":"%b","run_id":"%b",'
        b'"stack":{"current":%d,"stack":%b},"step_id":"step","use_api":%b},"defers":{},"event":%b,'
        b'"events":[%b],"steps":%b,"use_api":%b,"version":%d}'
    ) % (
        call.attempt,
        b"true" if call.disable_immediate_execution else b"false",
        call.fn_id.encode(),
        call.attempt + 1,
        call.job_id.encode(),
        call.max_attempts,
        call.job_id.encode(),
        call.request_id.encode(),
        call.run_id.encode(),
        depth,
        stack,
        flag,
        events[0],
        listed,
        b"{}" if call.use_api else memos,
        flag,
        call.version,
    )


def request_headers(call: Call) -> dict[str, str]:
    """The headers of one invocation, without its signature."""
    return {
        "content-type": "application/json",
        "user-agent": "Inngest",
        "account-id": "00000000-0000-4000-a000-000000000000",
        "x-inngest-generation-id": str(call.attempt + 1),
        "x-inngest-job-id": call.job_id,
        "x-inngest-req-version": str(call.version),
        "x-inngest-step-id": call.target,
        "x-request-id": call.request_id,
        "x-run-id": call.run_id,
    }


@dataclass(frozen=True, slots=True)
class Response:
    """What came back over the wire; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Op:
    """One opcode of a 206 answer."""

    kind: str
    id: str
    name: str
    subject: str
    memo: bytes = b"null"
    error: dict[str, Any] | None = None
    opts: dict[str, Any] = field(default_factory=dict)

    @property
    def race(self) -> bool:
        return self.opts.get("parallelMode") == "race"


@dataclass(frozen=True, slots=True)
class Steps:
    """The SDK reports steps; the run goes on, unless they come with the function's `result`."""

    ops: list[Op]
    version: int
    no_retry: bool = False
    retry_after: str | None = None
    result: bytes | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The function returned; `output` is its JSON."""

    output: bytes
    version: int = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """The call failed as a whole. `error` is what system events and memos carry; `output` the answer's JSON."""

    error: dict[str, Any]
    output: bytes
    no_retry: bool = False
    retry_after: str | None = None


Outcome = Steps | Result | Failure


def failure(name: str, message: str, *, no_retry: bool = False, cause: str | None = None) -> Failure:
    """A failure that the engine itself found."""
    error = {"error": cause or message, "name": name, "message": message, "stack": None}
    output = orjson.dumps({"code": "engine", "name": name, "message": message, "stack": None})
    return Failure(error=error, output=output, no_retry=no_retry)


def signed_part(response: Response) -> bytes:
    """What the answer's signature covers. A streaming SDK signs before it knows its answer: JSON's null."""
    return b"null" if response.status == _STREAMED else response.body


def read_response(response: Response) -> Outcome:
    """What an SDK's answer means. Never raises: rubbish is a `Failure` that says what was wrong."""
    headers = response.headers
    if response.status == _STREAMED and "x-inngest-sdk" in headers:
        unwrapped = _unwrap_stream(response)
        if unwrapped is None:
            return failure("InvalidResponse", "the SDK's streamed answer is not valid JSON")
        response = unwrapped
        headers = response.headers
    mended = surrogates.mend(response.body)
    if mended is not response.body:
        response = replace(response, body=mended)
    no_retry = headers.get("x-inngest-no-retry", "").lower() == "true"
    retry_after = headers.get("retry-after")
    if response.status not in (200, 206):
        return _error_answer(response, no_retry, retry_after)
    if "x-inngest-sdk" not in headers:
        return failure("NotAnSDK", f"the answer with status {response.status} is not from an Inngest SDK")
    if len(response.body) > MAX_STATE + MAX_STEP_OUTPUT:
        return _too_large("the answer", len(response.body))
    try:
        value = orjson.loads(response.body or b"null")
    except orjson.JSONDecodeError as error:
        return failure("InvalidResponse", f"the SDK's answer is not valid JSON: {error}")
    version = _version(headers)
    if response.status == 200:
        if len(response.body) > MAX_STEP_OUTPUT:
            return _too_large("the function's output", len(response.body))
        return Result(output=response.body.strip() or b"null", version=version)
    return _steps(value, version, no_retry, retry_after)


def _steps(value: object, version: int, no_retry: bool, retry_after: str | None) -> Steps | Failure:
    if not isinstance(value, list) or not value:
        return failure("InvalidResponse", "a 206 answer must be a list of at least one step")
    result: bytes | None = None
    if isinstance(value[-1], dict) and value[-1].get("op") == _COMPLETE:
        result = orjson.dumps(value.pop().get("data"))
        if len(result) > MAX_STEP_OUTPUT:
            return _too_large("the function's output", len(result))
    ops = read_ops(value)
    if isinstance(ops, Failure):
        return ops
    return Steps(ops=ops, version=version, no_retry=no_retry, retry_after=retry_after, result=result)


def read_ops(items: list[Any]) -> list[Op] | Failure:
    """The steps of an answer, or of a checkpoint; a `Failure` if one of them is no step."""
    ops: list[Op] = []
    for item in items:
        op = _op(item)
        if isinstance(op, Failure):
            return op
        ops.append(op)
    return ops


def _op(item: object) -> Op | Failure:
    if not isinstance(item, dict):
        return failure("InvalidResponse", "a step in the SDK's answer is not an object")
    raw = cast("dict[str, Any]", item)
    kind, step_id = raw.get("op"), raw.get("id")
    if kind not in _OPS:
        return failure(
            "UnsupportedOpcode", f"the SDK asked for {str(kind)[:80]!r}, which this engine does not support",
            no_retry=True,
        )  # fmt: skip
    if not isinstance(step_id, str) or not step_id.isascii() or not step_id.isalnum() or len(step_id) > 128:
        return failure(
            "InvalidResponse", f"a step in the SDK's answer has no usable id: {str(step_id)[:80]!r}"
        )
    memo = _data_memo(raw) if kind in (RUN, _OLD_RUN) else b"null"
    if len(memo) > MAX_STEP_OUTPUT:
        name = str(raw.get("displayName") or step_id)[:200]
        return _too_large(f"the output of step {name!r}", len(memo))
    opts = raw.get("opts")
    error = raw.get("error")
    return Op(
        kind=RUN if kind == _OLD_RUN else kind,
        id=step_id,
        name=_clean(raw.get("displayName") or raw.get("name") or step_id),
        subject=_clean(raw.get("name") or ""),
        memo=memo,
        error=step_error(error) if kind in (ERROR, FAILED) else None,
        opts=opts if isinstance(opts, dict) else {},
    )


def _data_memo(raw: dict[str, Any]) -> bytes:
    if raw.get("error") is not None and raw.get("data") is None:
        return error_memo(step_error(raw["error"]))
    if raw["op"] == _OLD_RUN:
        return orjson.dumps(raw.get("data"))
    return b'{"data":%b}' % orjson.dumps(raw.get("data"))


def _clean(text: object) -> str:
    return str(text).replace("\x00", "")[:_MAX_NAME]


def step_error(raw: object) -> dict[str, Any]:
    """An SDK's error as name, message and stack, whatever shape it came in."""
    source = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {"message": raw}
    stack = source.get("stack")
    return {
        "message": str(source.get("message") or ""),
        "name": str(source.get("name") or "Error"),
        "stack": stack if isinstance(stack, str) else None,
    }


def error_memo(error: Mapping[str, Any]) -> bytes:
    """The memo of a step that failed for good."""
    kept = {k: v for k, v in error.items() if k in ("error", "name", "message", "stack") and v is not None}
    return b'{"error":%b}' % orjson.dumps(kept)


def data_memo(output: bytes) -> bytes:
    """The memo of an invoked function that returned `output`."""
    return b'{"data":%b}' % output


def _error_answer(response: Response, no_retry: bool, retry_after: str | None) -> Failure:
    cause = f"invalid status code: {response.status}"
    output = response.body
    try:
        body = orjson.loads(output)
        if isinstance(body, str) and body.startswith("{"):
            # JavaScript's SDK 2 encodes its errors twice
            output = body.encode()
            body = orjson.loads(output)
    except ValueError:
        body = None
    if isinstance(body, dict) and ("message" in body or "name" in body):
        found = step_error(body)
    else:
        text = response.body[:2000].decode(errors="replace")
        message = text.strip() or f"the SDK answered with status {response.status} and no message"
        found = {"message": message, "name": "Error", "stack": None}
        output = orjson.dumps({"code": "unknown", **found})
    if len(output) > MAX_STEP_OUTPUT:
        return _too_large("the function's error", len(output))
    return Failure(error={"error": cause, **found}, output=output, no_retry=no_retry, retry_after=retry_after)


def _too_large(what: str, size: int) -> Failure:
    message = f"{what} has {size} bytes; the limit is {MAX_STEP_OUTPUT} bytes (4 MiB)"
    return failure("OutputTooLarge", message, no_retry=True)


def state_too_large(size: int) -> Failure:
    message = f"the run's state has {size} bytes; the limit is {MAX_STATE} bytes (32 MiB)"
    return failure("StateTooLarge", message, no_retry=True)


def too_many_steps(count: int) -> Failure:
    message = f"the run has {count} steps; the limit is {MAX_STEPS} steps"
    return failure("TooManySteps", message, no_retry=True)


def _version(headers: Mapping[str, str]) -> int:
    try:
        return int(headers.get("x-inngest-req-version", "2"))
    except ValueError:
        return 2


def _unwrap_stream(response: Response) -> Response | None:
    """A streaming SDK answers 201 at once and wraps the real answer in JSON."""
    try:
        wrapped = orjson.loads(response.body)
        body = wrapped["body"]
        inner = {str(k).lower(): str(v) for k, v in (wrapped.get("headers") or {}).items()}
        status = int(wrapped["status"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    encoded = body.encode() if isinstance(body, str) else orjson.dumps(body)
    return Response(status=status, headers={**response.headers, **inner}, body=encoded)
