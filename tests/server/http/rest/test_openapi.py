"""/openapi.json is complete, /docs needs nothing from elsewhere, and the op table is all there."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import version
from typing import Any

import httpx
import pytest
from support.fake_server import Server, play

from telegrad_protocol.spec import BY_INDEX, OPS


@pytest.fixture(scope="module")
def document(url: str) -> dict[str, Any]:
    return dict(httpx.get(f"{url}/openapi.json").json())


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{m} {path}", op) for path, methods in document["paths"].items() for m, op in methods.items()]


def has_example(document: dict[str, Any], media: dict[str, Any]) -> bool:
    schema = media.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return any(key in where for where in (media, schema) for key in ("example", "examples"))


def test_every_route_has_words_and_examples(document: dict[str, Any]) -> None:
    assert len(operations(document)) > 20
    for name, operation in operations(document):
        assert operation.get("description"), name
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])
            if parameter["in"] == "path":
                assert has_example(document, parameter), (name, parameter["name"])
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            assert has_example(document, media), (name, kind)
        media = operation["responses"]["200"]["content"].get("application/json")
        assert media is None or has_example(document, media), name
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorRecord"), name


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert names <= set(document["components"]["schemas"])
    assert len({operation["operationId"] for _, operation in operations(document)}) == len(operations(document))


def test_the_page_asks_nobody_else(url: str) -> None:
    page = httpx.get(f"{url}/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) == 3
    for link in links:
        assert link.startswith("/docs/assets/"), link
        assert httpx.get(url + link).status_code == 200, link


def test_every_public_op_is_listed(url: str) -> None:
    table = httpx.get(f"{url}/v1/ops").json()
    public = {op.name: op.signature for op in BY_INDEX if op.public}
    assert {op["name"]: op["signature"] for op in table["ops"]} == public
    for op in table["ops"]:
        assert [param["name"] for param in op["params"]] == list(OPS[op["name"]].names)
        assert all(param["schema"] for param in op["params"]), op["name"]
    alone = httpx.get(f"{url}/v1/ops/mul").json()
    assert alone in table["ops"]
    assert httpx.get(f"{url}/v1/ops/mull").json()["code"] == "unknown_op"


def test_rows_are_listed_for_other_clients(url: str) -> None:
    """A client of the wire needs every op's code, and what the digest is of."""
    table = httpx.get(f"{url}/v1/rows").json()
    assert table["rows"] == [op.signature for op in BY_INDEX]
    assert table["digest"] == hashlib.blake2b("\n".join(table["rows"]).encode(), digest_size=16).hexdigest()


def test_nothing_private_is_documented(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert [op.name for op in BY_INDEX if op.name.startswith("_") and re.search(rf"\b{op.name}\b", text)] == []


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def test_the_first_page_shows_the_way(url: str) -> None:
    page = httpx.get(f"{url}/", headers={"accept": BROWSER})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f"telegrad {version('telegrad')}" in page.text
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"/docs", "/v1/ops", "/v1/info", "/openapi.json"} <= set(links)
    plain = httpx.get(f"{url}/", headers={"accept": "*/*"})
    assert plain.headers["content-type"] == "application/json"
    assert (plain.json()["name"], plain.json()["version"]) == ("telegrad", version("telegrad"))
    assert set(plain.json()["links"].values()) <= set(links)
    text = httpx.get(f"{url}/", headers={"accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain")
    assert "/docs" in text.text
    assert httpx.get(f"{url}/", headers={"accept": "image/png"}).status_code == 406
    for link in links:
        assert httpx.get(url + link).status_code == 200, link


def test_the_documentation_comes_from_the_server_itself() -> None:
    async def scenario(server: Server) -> None:
        page = (await server.client.get("/docs")).text
        assert "https://" not in page
        assert "http://" not in page
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
            assert f"/docs/assets/{asset}" in page
            assert (await server.client.get(f"/docs/assets/{asset}")).status_code == 200
        described = json.loads((await server.client.get("/openapi.json")).content)
        assert "/v1/sessions" in described["paths"]

    play(scenario)
