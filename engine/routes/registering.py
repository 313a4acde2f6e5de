"""Apps: registering, removing, and syncing one by its URL."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine import ids, reach, signing
from engine.functions import RefusedError
from engine.routes.edge import ApiError, Edge, Route, answer, json_object
from engine.sql import reading, registering
from engine.transport import UnreachableError

log = logging.getLogger(__name__)


async def _registered(edge: Edge, payload: dict[str, Any], **overrides: str) -> dict[str, Any]:
    """Register a payload as `/fn/register` and in-band sync bring it."""
    appname = payload.get("appname") or payload.get("app_id") or payload.get("appName")
    url, functions = overrides.get("url") or payload.get("url"), payload.get("functions")
    if not isinstance(appname, str) or not appname:
        raise RefusedError("appname is missing")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise RefusedError(f"url {url!r} cannot be called; only apps served over HTTP are supported")
    if not isinstance(functions, list) or not functions:
        raise RefusedError("functions is empty; an app registers at least one function")
    if payload.get("deploy_type", "ping") == "connect":
        raise RefusedError("Connect workers are not supported by this engine; serve the app over HTTP")
    result = await edge.engine.register(
        appname,
        url,
        functions,
        sdk=str(payload.get("sdk") or "")[:200],
        framework=str(payload.get("framework") or "")[:200],
        hosts=edge.engine.config.app_hosts,
    )
    return {
        "ok": True, "modified": result.modified, "sync_id": result.sync_id, "app_id": result.app_id,
        "archived": result.archived,
    }  # fmt: skip


async def sync(edge: Edge, url: str) -> dict[str, Any]:
    """Ask the app at a URL to register: in band where the SDK can, else by its own call to `/fn/register`."""
    engine = edge.engine
    fault = reach.refusal(url, engine.config.app_hosts)
    if fault is not None:
        raise RefusedError(fault)
    body = orjson.dumps({"url": url})
    headers = {
        "content-type": "application/json",
        "x-inngest-server-kind": edge.kind,
        "user-agent": "Inngest",
    }
    key = engine.config.signing_key
    if key is not None:
        headers["x-inngest-sync-kind"] = "in_band"
        body = signing.canonical(body)
        headers["x-inngest-signature"] = signing.sign(body, key, int(engine.clock().timestamp()))
    try:
        response = await engine.transport.call("PUT", url, headers, body)
    except UnreachableError as error:
        raise ApiError(502, f"{url}: {error}") from None
    try:
        found = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        found = None
    if response.status >= 400 or not isinstance(found, dict):
        detail = found.get("message") if isinstance(found, dict) else None
        raise ApiError(502, f"{url} answered the sync with status {response.status}: {detail or 'no JSON'}")
    if response.headers.get("x-inngest-sync-kind") == "in_band":
        stamp = engine.clock().timestamp()
        signature = response.headers.get("x-inngest-signature")
        if key is not None and not signing.verify(
            response.body, signature, engine.config.signing_keys, stamp
        ):
            raise ApiError(502, f"{url} answered the sync without our signing key's signature")
        return await _registered(edge, found)
    if found.get("ok") is not True:
        # The SDK answers 200 even when its registration was refused.
        raise RefusedError(str(found.get("error") or found.get("message") or "the app could not register"))
    return found


def routes(edge: Edge) -> Iterator[Route]:
    """`/fn/…`, `/v1/apps/…` and `/v2/apps…`."""
    engine = edge.engine

    def authorised(request: Request) -> None:
        if engine.config.signing_keys and not signing.bearer_is_known(
            request.headers.get("authorization"), engine.config.signing_keys
        ):
            raise ApiError(401, "Unauthorized: the signing key is not known here")

    async def register(request: Request) -> Response:
        authorised(request)
        payload = await json_object(request)
        try:
            return answer(await _registered(edge, payload))
        except RefusedError as error:
            log.warning("engine: refused to register %s: %s", payload.get("appname"), error)
            raise

    async def sync_url(request: Request) -> Response:
        payload = await json_object(request)
        url = payload.get("url")
        if not isinstance(url, str):
            raise RefusedError("url is missing")
        return answer(await sync(edge, url))

    async def remove(request: Request) -> Response:
        url = request.query_params.get("url", "")
        if not url:
            raise ApiError(400, "url is missing")
        same = [url, url.replace("//127.0.0.1", "//localhost"), url.replace("//localhost", "//127.0.0.1")]
        await engine.database.run(lambda c: registering.remove_app(c, same, engine.clock()))
        await engine.registry_changed()
        return Response(status_code=200)

    async def functions_of(request: Request) -> Response:
        app = request.path_params["app"]
        async with engine.database.connection() as connection:
            rows = [row for row in await reading.functions(connection) if row["app"] == app]
        return answer([_function_json(row) for row in rows])

    async def apps(_request: Request) -> Response:
        async with engine.database.connection() as connection:
            rows = await reading.apps(connection)
        data = [
            {
                "id": row["name"], "name": row["name"], "method": "SERVE", "createdAt": row["created_at"],
                "functionCount": row["function_count"],
                "latestSync": {"framework": row["framework"], "url": row["url"], "sdkVersion": row["sdk"]},
            }
            for row in rows
        ]  # fmt: skip
        return answer({"data": data, "metadata": edge.metadata()})

    yield "/fn/register", ["POST"], edge.open(register)
    yield "/fn/sync", ["POST", "PUT"], edge.keyed(sync_url)
    yield "/fn/remove", ["DELETE"], edge.keyed(remove)
    yield "/v1/apps/{app}/functions", ["GET"], edge.keyed(functions_of)
    yield "/v2/apps", ["GET"], edge.keyed(apps)


def _function_json(row: dict[str, Any]) -> dict[str, Any]:
    config = row["config"]
    step = next(iter(config["steps"].values()))
    return {
        "internal_id": row["id"],
        "env_id": "00000000-0000-0000-0000-000000000000",
        "app_id": ids.app_id(row["app"]),
        "id": row["slug"],
        "name": row["name"],
        "config": {
            **config,
            "id": row["id"],
            "fv": row["version"],
            "slug": row["slug"],
            "steps": [
                {
                    "id": step["id"],
                    "name": step["name"],
                    "uri": step["runtime"]["url"],
                    "retries": (step.get("retries") or {}).get("attempts"),
                }
            ],
        },
        "created_at": row["created_at"],
        "archived_at": "0001-01-01T00:00:00Z",
        "paused_at": row["paused_at"],
        "schedules": row["schedules"],
    }
