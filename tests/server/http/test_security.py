"""Authentication, Host and Origin checks."""

from __future__ import annotations

import pytest
from support.fake_server import Server, error_of, play

from telegrad_server.settings import Settings

TOKEN, OTHER = "first-token-0123456789", "other-token-0123456789"


def test_a_server_with_tokens_asks_for_one() -> None:
    async def scenario(server: Server) -> None:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            response = await server.client.post("/v1/sessions", json={}, headers=headers)
            error_of(response, 401, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
        for open_path in ("/", "/v1/health", "/v1/ops", "/v1/rows", "/docs"):
            assert (await server.client.get(open_path)).status_code == 200, open_path
        first, other = ({"authorization": f"Bearer {token}"} for token in (TOKEN, OTHER))
        opened = (await server.client.post("/v1/sessions", json={}, headers=first)).json()
        path = f"/v1/sessions/{opened['session']}"
        error_of(await server.client.get(f"{path}/reads/1", headers=first), 404, "unknown_tensor")
        error_of(await server.client.get(f"{path}/reads/1", headers=other), 410, "session_gone")
        error_of(await server.client.get(f"{path}/reads/1"), 401, "unauthorized")

    play(scenario, Settings(tokens=frozenset({TOKEN, OTHER})))


@pytest.mark.parametrize("host", ["127.0.0.1:7465", "localhost", "LOCALHOST:1", "[::1]:7465", "127.9.9.9"])
def test_names_of_this_machine_are_good_hosts(host: str) -> None:
    async def scenario(server: Server) -> None:
        assert (await server.client.get("/v1/info", headers={"host": host})).status_code == 200

    play(scenario)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:7465", "", "10.0.0.1"])
def test_other_hosts_are_refused_on_loopback(host: str) -> None:
    async def scenario(server: Server) -> None:
        error_of(await server.client.get("/v1/health", headers={"host": host}), 403, "forbidden")

    play(scenario)


def test_listed_hosts_are_the_only_ones_where_there_is_a_list() -> None:
    async def hosts(server: Server, *names: str) -> list[int]:
        return [(await server.client.get("/v1/health", headers={"host": name})).status_code for name in names]

    async def listed(server: Server) -> None:
        assert await hosts(server, "gpu.example", "127.0.0.1", "evil.example") == [200, 200, 403]

    async def unlisted(server: Server) -> None:
        assert await hosts(server, "gpu.example", "10.0.0.1") == [200, 200]

    away = Settings(host="0.0.0.0", tokens=frozenset({TOKEN}))
    play(unlisted, away)
    play(listed, Settings(host="0.0.0.0", tokens=frozenset({TOKEN}), allow_hosts=frozenset({"gpu.example"})))
    play(listed, Settings(allow_hosts=frozenset({"gpu.example"})))


def test_pages_of_unlisted_origins_are_refused_and_listed_ones_may_read_errors_too() -> None:
    async def scenario(server: Server) -> None:
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            response = await server.client.get("/v1/health", headers={"origin": origin})
            error_of(response, 403, "forbidden")
            assert "access-control-allow-origin" not in response.headers
        mine = {"origin": "http://notebook.example"}
        asked = {**mine, "access-control-request-method": "PUT"}
        preflight = await server.client.options("/v1/sessions", headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers.get_list("access-control-allow-origin") == [mine["origin"]]
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        refused = await server.client.get("/v1/info", headers=mine)
        error_of(refused, 401, "unauthorized")
        assert refused.headers["access-control-allow-origin"] == mine["origin"]
        own = await server.client.get("/v1/health", headers={"origin": "http://127.0.0.1:7465"})
        assert own.status_code == 200

    play(scenario, Settings(allow_origins=frozenset({"http://notebook.example"}), tokens=frozenset({TOKEN})))
