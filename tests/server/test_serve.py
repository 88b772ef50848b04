"""`telegrad serve` as a process: how it starts, what it says, how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from support.live import live_server

from telegrad_server import settings as module
from telegrad_server.settings import Settings, available_memory, is_loopback, parse_memory, read_tokens

SERVE = [sys.executable, "-m", "telegrad_server", "serve", "--device", "cpu", "--port", "0"]
TOKEN = "a-token-0123456789"


@contextlib.contextmanager
def serving(*options: str, **more: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server and its URL; it is killed at the end unless it has ended by itself."""
    command = [*SERVE, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, verify=False)


def refused(*options: str) -> str:
    """What a server says that does not start."""
    done = subprocess.run([*SERVE, *options], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_it_says_one_line_and_ends_on_a_signal() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with serving("--memory", "64M", "--log-format", "json") as (process, line):
            assert line.startswith("telegrad ")
            url = line.split(" listening on ")[1].strip()
            info = get(f"{url}/v1/info").json()
            assert info["memory"]["cpu"]["bytes_limit"] == 64 << 20
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as garbage:
                garbage.sendall(b"this is not HTTP\r\n\r\n")
                garbage.recv(1000)
            children = psutil.Process(process.pid).children()
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
            assert process.returncode == 0
            assert out == ""
            events = [json.loads(line) for line in err.splitlines()]
            assert {"ts", "level", "event"} <= set(events[-1])
            assert [event["event"] for event in events] == ["Invalid HTTP request received.", "shutting down"]
            assert not any(child.is_running() for child in children)


def test_it_does_not_listen_to_a_network_without_a_token() -> None:
    told = refused("--host", "0.0.0.0")
    assert "without a token" in told
    assert "secrets.token_urlsafe" in told


def test_what_cannot_be_used_is_said_plainly(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("# nobody\n")
    assert "holds no token" in refused("--token-file", str(empty))
    assert "No such file" in refused("--token-file", str(tmp_path / "missing"))
    assert "not 'plenty'" in refused("--memory", "plenty")
    assert "a lease lasts longer" in refused("--lease", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen" in refused("--port", str(taken.getsockname()[1]))


def test_an_embedded_server_takes_its_token_and_ends_with_its_parent() -> None:
    ours, theirs = socket.socketpair()
    command = [*SERVE, "--embedded-fd", str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, ours:
        theirs.close()
        ours.sendall(f"{TOKEN}\n".encode())
        url = ours.makefile().readline().strip()
        assert get(f"{url}/v1/info").status_code == 401
        assert get(f"{url}/v1/info", authorization=f"Bearer {TOKEN}").status_code == 200
        ours.close()
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, b"", b"")


def test_an_embedded_server_whose_parent_died_at_once_does_not_start() -> None:
    ours, theirs = socket.socketpair()
    command = [*SERVE, "--embedded-fd", str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE) as process:
        theirs.close()
        ours.close()
        assert b"ended before it gave a token" in process.communicate(timeout=20)[1]
        assert process.returncode == 2


def test_tokens_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# ours\n\n  {TOKEN}  \nanother-token-987654321\n")
    assert read_tokens(str(file)) == {TOKEN, "another-token-987654321"}
    monkeypatch.setenv("TELEGRAD_TOKEN", TOKEN)
    assert read_tokens(None) == {TOKEN}
    monkeypatch.delenv("TELEGRAD_TOKEN")
    assert read_tokens(None) == frozenset()
    file.write_text("short")
    with pytest.raises(ValueError, match="at least 16"):
        read_tokens(str(file))


@pytest.mark.parametrize(
    ("text", "nbytes"), [("4G", 4 << 30), ("512M", 512 << 20), ("1.5k", 1536), ("100", 100), ("2 GiB", 2 << 30)]
)
def test_memory_is_written_in_units(text: str, nbytes: int) -> None:
    assert parse_memory(text, 1000) == nbytes


def test_memory_is_a_part_of_what_the_control_group_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: "1000\n")
    assert available_memory() == 1000
    assert parse_memory("80%", available_memory()) == 800
    monkeypatch.setattr(Path, "read_text", lambda self: "max\n")
    assert available_memory() == module.psutil.virtual_memory().total


@pytest.mark.parametrize("text", ["", "-1G", "4X", "%", "1e3", "G"])
def test_memory_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="memory is given as"):
        parse_memory(text, 1000)


def test_only_loopback_goes_without_a_token() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.3.2.1")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "gpu", "localhost.evil")] == [False] * 5
    Settings(host="::1").check()
    Settings(host="0.0.0.0", tokens=frozenset({TOKEN})).check()
    with pytest.raises(ValueError, match="refusing to listen"):
        Settings(host="::").check()


@pytest.mark.parametrize("shared", [False, True])
def test_a_kernel_that_outlives_its_session_ends_within_seconds_and_others_are_told(shared: bool) -> None:
    with live_server("--memory", "1G") as url, httpx.Client(base_url=url, timeout=60) as http:

        def opened() -> str:
            return f"/v1/sessions/{http.post('/v1/sessions', json={}).raise_for_status().json()['session']}"

        def call(session: str, op: str, *args: Any) -> httpx.Response:
            return http.post(f"{session}/ops/{op}", json={"args": args})

        ending, other = opened(), opened() if shared else None
        http.post(f"{ending}/tensors", json={"data": 1.0, "dtype": "float16"})
        assert call(ending, "expand", "t1", [1 << 48]).status_code == 200
        assert call(ending, "sum", "t2").json()["code"] == "too_large"
        assert call(ending, "expand", "t1", [1 << 32]).json()["result"]["id"] == "t4"
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(httpx.post, f"{url}{ending}/ops/sum", json={"args": ["t4"]}, timeout=60)
            time.sleep(0.5)
            begun = time.monotonic()
            assert get(f"{url}/v1/info").status_code == 200, "answers without the worker"
            assert http.delete(ending).status_code == 200
            assert time.monotonic() - begun < 3, "nobody waits for the kernel"
            assert running.result().json()["code"] == "session_gone"
        if other is not None:
            told = call(other, "zeros", [1])
            assert told.status_code in (200, 410, 503), told.text
        while http.post("/v1/sessions", json={}).status_code != 200:
            time.sleep(0.1)
        assert time.monotonic() - begun < 20
