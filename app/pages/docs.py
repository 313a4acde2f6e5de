"""`/docs`: the JSON API described, rendered here from its OpenAPI document so that no other site's script is needed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.auth.protection import protection_of
from app.pages.templates import page

router = APIRouter(include_in_schema=False)

_LISTED = 20


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """Every route of the JSON API with its parameters and what it wants of its caller."""
    document = request.app.openapi()
    return page(
        request,
        "docs.html",
        groups=_groups(document),
        schemas=document.get("components", {}).get("schemas", {}),
    )


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "text": operation.get("description", ""),
                    "deprecated": operation.get("deprecated", False),
                    "protection": protection_of(method.upper(), path),
                    "parameters": [
                        {
                            "name": parameter["name"],
                            "required": parameter.get("required", False),
                            "where": parameter["in"],
                            "type": _type(parameter.get("schema", {})),
                            "text": parameter.get("description", ""),
                        }
                        for parameter in operation.get("parameters", [])
                    ],
                    "body": _body(operation),
                }
            )
    return groups


def _body(operation: dict[str, Any]) -> str | None:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return _type(schema) if schema else None


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema:
        values = [str(value) for value in schema["enum"]]
        return (
            " | ".join(values)
            if len(values) <= _LISTED
            else f"one of {len(values)}: {', '.join(values[:5])} …"
        )
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
