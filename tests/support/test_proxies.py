"""The proxies do what they say, and leave nothing behind."""

import contextlib
import http.server
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.proxies import DelayProxy, FaultProxy, _Message

from telegrad._http.transport import Interrupted, Transport


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers a POST with its body; GET /chunked in chunks, GET /close up to the end of the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) == int(self.headers["Content-Length"]):
            self.server.heard.append(body)
            self._answer({"Content-Length": len(body)}, body)

    def do_GET(self):
        if self.path == "/chunked":
            self._answer({"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n6;x\r\n world\r\n0\r\nT: 1\r\n\r\n")
        elif self.path == "/close":
            self.close_connection = True
            self._answer({"Connection": "close"}, b"hello world")
        else:
            self._answer({"Content-Length": 0}, b"")

    def do_HEAD(self):
        self.do_GET()

    def _answer(self, headers, body):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Nothing: connections are meant to break here."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Echo) as server:
        server.heard = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post_all(url, count, size=10):
    """Post `count` different bodies one after the other; which were answered, each with itself."""
    answered = []
    with Transport(url, timeout=5) as transport:
        for k in range(count):
            body = b"%d;" % k * size
            with contextlib.suppress(Interrupted):
                assert transport.request("POST", "/", content=body).body == body
                answered.append(k)
    return answered


@pytest.mark.parametrize("process", [False, True])
def test_a_delay_is_added_and_nothing_else(server, process):
    with DelayProxy(server.url, 0.02, process=process) as proxy, Transport(proxy.url) as transport:
        start = time.perf_counter()
        assert transport.request("POST", "/", content=b"x").body == b"x"
        assert time.perf_counter() - start >= 0.02
        big = bytes(range(256)) * 20_000
        assert transport.request("POST", "/", content=big).body == big
        assert transport.request("GET", "/close").body == b"hello world"


def test_bytes_under_way_keep_their_order_and_do_not_wait_for_each_other():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        DelayProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.1) as proxy,
        socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2]))) as client,
    ):
        server, _ = listener.accept()
        with server:
            for k in range(100):
                client.sendall(b"%02d" % k)
            client.shutdown(socket.SHUT_WR)
            assert everything(server) == b"".join(b"%02d" % k for k in range(100))
            server.sendall(b"bye")
            server.shutdown(socket.SHUT_WR)
            assert everything(client) == b"bye"


def everything(connection):
    """All that arrives until the other side has sent its last."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


def test_the_delay_runs_as_a_module(server):
    command = [sys.executable, "-m", "support.proxies", server.url, "--rtt", "0.001"]
    folder = Path(__file__).parents[1]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, text=True, **pipes) as process:
        assert post_all(process.stdout.readline().strip(), 2) == [0, 1]
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_without_faults_everything_passes_in_every_framing(server):
    with FaultProxy(server.url, 0) as proxy, Transport(proxy.url) as transport:
        assert transport.request("POST", "/", content=b"x" * 500_000).body == b"x" * 500_000
        assert transport.request("GET", "/chunked").body == b"hello world"
        assert transport.request("HEAD", "/").body == b""
        assert transport.request("GET", "/close").body == b"hello world"
        assert transport.request("GET", "/").body == b""
    assert proxy.counts == {"requests": 5}


def test_drops_lose_the_request_or_the_response(server):
    with FaultProxy(server.url, 1, drop=0.5) as proxy:
        answered = post_all(proxy.url, 40)
    counts = proxy.counts
    assert counts["drop_request"] > 3
    assert counts["drop_response"] > 3
    assert len(answered) == 40 - counts["drop_request"] - counts["drop_response"]
    assert len(server.heard) == 40 - counts["drop_request"]


def test_duplicates_arrive_twice_and_are_answered_once(server):
    with FaultProxy(server.url, 2, duplicate=0.5) as proxy:
        assert post_all(proxy.url, 20) == list(range(20))
    assert proxy.counts["duplicate"] > 3
    assert len(server.heard) == 20 + proxy.counts["duplicate"]


def test_truncation_cuts_the_request_or_the_response(server):
    with FaultProxy(server.url, 3, truncate=0.5) as proxy:
        answered = post_all(proxy.url, 40, size=1000)
    counts = proxy.counts
    assert counts["truncate_request"] > 3
    assert counts["truncate_response"] > 3
    assert len(answered) == 40 - counts["truncate_request"] - counts["truncate_response"]
    assert len(server.heard) == 40 - counts["truncate_request"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999999])
@pytest.mark.parametrize("body", [b"", b"1", b"123456"])
def test_a_cut_leaves_a_part_and_never_the_whole(share, body):
    message = _Message(b"GET / HTTP/1.1\r\n\r\n", body, False)
    part = message.cut(share)
    assert (message.head + body).startswith(part)
    assert len(part) < len(message.head + body)


def test_a_held_request_is_overtaken(server):
    with FaultProxy(server.url, 0, reorder=0.5, hold_s=0.1) as proxy:
        done = threading.Event()

        def go():
            while not done.is_set():
                post_all(proxy.url, 1)

        threads = [threading.Thread(target=go) for _ in range(3)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while proxy.counts["reorder"] < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        done.set()
        for thread in threads:
            thread.join()
    assert proxy.counts["reorder"] >= 5


def test_a_request_held_alone_goes_on(server):
    with FaultProxy(server.url, 0, reorder=1, hold_s=0.01) as proxy:
        assert post_all(proxy.url, 2) == [0, 1]
    assert proxy.counts["reorder_alone"] == 2


def test_what_is_done_depends_on_the_seed_alone(server):
    def run(seed):
        with FaultProxy(server.url, seed, drop=0.2, duplicate=0.2, delay=0.2, truncate=0.2, delay_s=0) as proxy:
            return post_all(proxy.url, 25), proxy.counts

    assert run(11) == run(11)
    assert run(11) != run(12)


def test_impossible_probabilities_are_refused():
    with pytest.raises(ValueError, match="more than 1"):
        FaultProxy("http://127.0.0.1:1", 0, drop=0.7, delay=0.7)


@pytest.mark.parametrize("make", [lambda url: DelayProxy(url, 0.2), lambda url: FaultProxy(url, 0, reorder=1)])
def test_a_proxy_stops_amid_a_request(server, make):
    before = threading.active_count()
    with make(server.url) as proxy:
        port = int(proxy.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.02)
    assert threading.active_count() <= before + 1  # the server's


def test_nobody_upstream_closes_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for proxy in (DelayProxy(url, 0.0), FaultProxy(url, 0, duplicate=1)):
        with proxy, Transport(proxy.url) as transport, pytest.raises(Interrupted):
            transport.request("GET", "/")
