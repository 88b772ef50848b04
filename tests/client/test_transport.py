"""HTTP between client and server: framing, reuse, memory, and what every failure is called."""

import contextlib
import os
import socket
import threading
import tracemalloc

import httpx
import numpy as np
import pytest
import uvicorn

from telegrad._http.transport import Interrupted, SocketTransport, Transport, Unreachable
from telegrad_protocol.errors import Malformed

SIZE = 32 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def app(scope, receive, send):
    """Answers with what it was told; /blob streams `SIZE` bytes, /count says how many it was sent."""
    pieces, count = [], 0
    while True:
        message = await receive()
        count += len(message["body"])
        if scope["path"] != "/count":
            pieces.append(message["body"])
        if not message["more_body"]:
            break
    if scope["path"] == "/blob":
        headers = [] if scope["query_string"] == b"chunked=1" else [(b"content-length", b"%d" % SIZE)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for start in range(0, SIZE, 1 << 20):
            body = np.arange(start, start + (1 << 20), dtype=np.uint32).astype(np.uint8).data
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    body = b"%d" % count if scope["path"] == "/count" else b"".join(pieces)
    headers = [(b"content-length", b"%d" % len(body)), (b"x-peer", b"%d" % scope["client"][1])]
    headers += [(b"x-target", scope["raw_path"] + b"?" + scope["query_string"])]
    headers += [(b"x-got-" + name, value) for name, value in scope["headers"]]
    status = int(dict(scope["headers"]).get(b"want", b"200"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def url():
    """The URL of a uvicorn server that runs `app`."""
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@contextlib.contextmanager
def scripted(*scripts):
    """A server that runs `scripts[k](connection)` for its k-th connection, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            for script in scripts:
                connection, _ = listener.accept()
                connection.settimeout(10)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection, contextlib.suppress(OSError):  # the client may hang up first
                    script(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive(), "not every script was run"


def heard(connection):
    """Read one request without a body; b"" at the end of the stream."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        data = connection.recv(4096)
        if not data:
            return b""
        text += data
    return text


def answer(*pieces):
    """A script: hear a request, send `pieces`, hang up."""

    def script(connection):
        heard(connection)
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    return script


def test_a_request_says_who_asks_and_what(url):
    with Transport(url + "/base/", "s3cret") as transport:
        status, headers, body = transport.request(
            "POST", "/a%20b", params={"n": 3, "q": "ü"}, headers={"Want": "418"}, content=b"tea"
        )
    assert (status, body) == (418, b"tea")
    assert headers["X-Target"] == "/base/a%20b?n=3&q=%C3%BC"
    assert headers["x-got-authorization"] == "Bearer s3cret"
    assert headers["x-got-user-agent"].startswith("telegrad/")
    assert headers["x-got-content-length"] == "3"


def test_a_connection_is_kept(url):
    with Transport(url) as transport:
        peers = {transport.request("PUT", "/", content=b"x" * n).headers["x-peer"] for n in (0, 5, 20_000)}
    assert len(peers) == 1


def test_threads_share_the_connections_and_get_their_own_answers(url):
    answers = {}
    with Transport(url, max_connections=3) as transport:

        def work(k):
            bodies = [b"%d-%d" % (k, i) * 50 for i in range(30)]
            answers[k] = [transport.request("POST", "/", content=body).body == body for body in bodies]

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 8
    assert all(all(right) for right in answers.values())


def test_an_upload_needs_no_memory(url):
    data = np.arange(SIZE // 8, dtype=np.float64).reshape(2, -1)
    with Transport(url) as transport:
        transport.request("GET", "/")
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            status, _, body = transport.upload("/count", data.data)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
    assert (status, body) == (200, b"%d" % SIZE)
    assert peak < SIZE // 2  # the server is in this process too


@pytest.mark.parametrize("chunked", [0, 1])
def test_a_download_fills_the_array_and_needs_no_more_memory(url, chunked):
    array = np.zeros((SIZE >> 10, 1 << 8), np.float32)
    with Transport(url) as transport:
        peer = transport.request("GET", "/").headers["x-peer"]
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            reply = transport.download("/blob", array.data, params={"chunked": chunked})
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert transport.request("GET", "/").headers["x-peer"] == peer
    assert (reply.status, reply.body) == (200, b"")
    np.testing.assert_array_equal(array.view(np.uint8).ravel(), np.arange(SIZE, dtype=np.uint32).astype(np.uint8))
    assert peak < SIZE // 2


def test_uploads_echo_exactly_whatever_the_pieces(url):
    data = np.random.default_rng(0).integers(0, 255, 100_001, np.uint8)
    with Transport(url) as transport:
        for piece in (1000, 65_536, 1 << 20):
            assert transport.upload("/echo", data.data, piece=piece).body == data.tobytes()
        assert transport.upload("/echo", data[:0].data).body == b""
        assert transport.download("/echo", memoryview(bytearray())).status == 200


def test_a_download_refused_leaves_the_array_and_brings_the_reason(url):
    array = np.ones(4)
    with Transport(url) as transport:
        reply = transport.download("/echo", array.data, headers={"want": "404"})
    assert reply.status == 404
    assert array.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n123",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n12345",
    ],
)
def test_a_download_of_another_size_is_malformed(response):
    with (
        scripted(answer(response)) as url,
        Transport(url) as transport,
        pytest.raises(Malformed),
    ):
        transport.download("/", memoryview(bytearray(4)))


@pytest.mark.parametrize(
    ("response", "status", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 4\r\n\r", b"\nab", b"cd"], 200, b"abcd"),
        ([b"HTTP/1.1 200\r\nContent-Length:0\r\n\r\n"], 200, b""),
        ([b"HTTP/1.1 204 None\r\n\r\n"], 204, b""),
        ([b"HTTP/1.0 500 Oh no\r\n\r\n", b"all ", b"of it"], 500, b"all of it"),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", OK], 200, b"ok"),
        (
            [
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n4;x=y\r\nab",
                b"cd\r",
                b"\nA\r\n0123456789",
                b"\r\n0",
                b"\r\nTrailer: 1\r\n\r\n",
            ],
            200,
            b"abcd0123456789",
        ),
    ],
)
def test_responses_in_every_framing(response, status, body):
    with scripted(answer(*response)) as url, Transport(url) as transport:
        reply = transport.request("GET", "/")
    assert (reply.status, reply.body) == (status, body)


def test_a_head_has_no_body_whatever_its_length_says():
    with scripted(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")) as url, Transport(url) as transport:
        assert transport.request("HEAD", "/").body == b""


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
    ],
)
def test_what_is_not_a_whole_response_interrupts(response):
    with (
        scripted(answer(response)) as url,
        Transport(url) as transport,
        pytest.raises(Interrupted, match=url),
    ):
        transport.request("GET", "/")


def test_whoever_sends_hears_that_the_bytes_have_left_before_the_answer_comes():
    left = threading.Event()

    def patient(connection):
        heard(connection)
        if left.wait(10):
            connection.sendall(OK)

    with scripted(patient) as url, Transport(url) as transport:
        assert transport.request("GET", "/", sent=left.set).body == b"ok"


def test_a_kept_connection_that_the_server_closed_is_replaced():
    closed = threading.Event()

    def once(connection):
        heard(connection)
        connection.sendall(OK)
        connection.close()
        closed.set()

    with scripted(once, answer(OK)) as url, Transport(url) as transport:
        assert transport.request("POST", "/", content=b"").body == b"ok"
        assert closed.wait(5)
        assert transport.request("POST", "/", content=b"").body == b"ok"


def test_a_request_lost_with_a_kept_connection_is_not_sent_again():
    requests = []

    def twice(connection):
        heard(connection)
        connection.sendall(OK)
        requests.append(heard(connection))

    with scripted(twice) as url, Transport(url) as transport:
        assert transport.request("GET", "/").status == 200
        with pytest.raises(Interrupted):
            transport.request("GET", "/again")
    assert len(requests) == 1
    assert requests[0].startswith(b"GET /again ")


def test_connection_close_is_obeyed(url):
    response = b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok"
    with scripted(answer(response), answer(response)) as url, Transport(url) as transport:
        assert [transport.request("GET", "/").body for _ in range(2)] == [b"ok", b"ok"]


def test_bytes_nobody_asked_for_end_a_connection():
    with scripted(answer(OK + OK.replace(b"ok", b"no")), answer(OK)) as url, Transport(url) as transport:
        assert [transport.request("GET", "/").body for _ in range(2)] == [b"ok", b"ok"]


def test_an_idle_connection_expires():
    with (
        scripted(answer(OK), answer(OK)) as url,
        httpx.Client(transport=SocketTransport(keepalive_expiry=0)) as client,
    ):
        assert [client.get(url).text for _ in range(2)] == ["ok", "ok"]


@pytest.mark.parametrize("hang_up", [False, True])
def test_a_refused_upload_is_answered_before_it_is_sent(hang_up):
    def refuse(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        if not hang_up:
            while connection.recv(65536):
                pass

    with scripted(refuse) as url, Transport(url, timeout=10) as transport:
        reply = transport.upload("/", memoryview(bytes(SIZE)))
    assert (reply.status, reply.body) == (413, b"big")


def test_an_upload_cut_off_interrupts():
    with (
        scripted(lambda connection: connection.recv(4096)) as url,
        Transport(url) as transport,
        pytest.raises(Interrupted),
    ):
        transport.upload("/", memoryview(bytes(SIZE)))


def test_silence_times_out():
    done = threading.Event()
    with (
        scripted(lambda connection: done.wait(10)) as url,
        Transport(url, timeout=0.05) as transport,
    ):
        with pytest.raises(Interrupted, match="timed out"):
            transport.request("GET", "/")
        done.set()


def test_a_server_that_reads_nothing_times_out():
    done = threading.Event()
    with (
        scripted(lambda connection: done.wait(10)) as url,
        Transport(url, timeout=0.05) as transport,
    ):
        with pytest.raises(Interrupted, match="timed out"):
            transport.upload("/", memoryview(bytes(SIZE)))
        done.set()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_there_is_unreachable(scheme):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    with Transport(url) as transport, pytest.raises(Unreachable, match=url):
        transport.request("GET", "/")


def test_a_server_without_tls_is_unreachable_over_https():
    with (
        scripted(lambda connection: connection.sendall(b"what?\r\n\r\n")) as url,
        Transport(url.replace("http:", "https:")) as transport,
        pytest.raises(Unreachable),
    ):
        transport.request("GET", "/")


def test_with_all_connections_busy_a_request_is_not_sent(url):
    transport = SocketTransport(max_connections=1)
    timeout = httpx.Timeout(5, pool=0.05)
    with (
        httpx.Client(transport=transport, timeout=timeout) as client,
        client.stream("GET", url + "/blob"),
        pytest.raises(httpx.PoolTimeout),
    ):
        client.get(url)


def test_httpx_itself_works_over_the_sockets(url):
    with httpx.Client(transport=SocketTransport(), base_url=url) as client:
        response = client.post("/x", json={"a": 1})
        assert response.json() == {"a": 1}
        assert (response.http_version, response.reason_phrase) == ("HTTP/1.1", "OK")
        with client.stream("GET", "/blob") as response:
            start = bytearray(6)
            assert response.extensions["readinto"](memoryview(start)) == 6
        assert bytes(start) == bytes(range(6))
        with pytest.raises(ValueError, match="closed before its body was read"):
            response.extensions["readinto"](memoryview(start))
        assert client.get("/y", params={"b": 2}).headers["x-target"] == "/y?b=2"


@pytest.mark.parametrize("sent", [b"longer", b"sho"])
def test_a_body_must_have_the_length_it_says(url, sent):
    with (
        httpx.Client(transport=SocketTransport()) as client,
        pytest.raises(httpx.LocalProtocolError, match="content-length of 5"),
    ):
        client.post(url, content=iter([sent[:2], sent[2:]]), headers={"Content-Length": "5"})


def test_a_body_without_a_length_and_other_schemes_are_refused(url):
    with httpx.Client(transport=SocketTransport()) as client:
        with pytest.raises(httpx.LocalProtocolError, match="needs a content-length"):
            client.post(url, content=iter([b"x"]))
        with pytest.raises(httpx.UnsupportedProtocol):
            client.get("https://127.0.0.1/")


@pytest.mark.parametrize(
    ("path", "headers"), [("/a b", {}), ("/\r\nX: y", {}), ("/", {"X": "y\r\nZ: 1"}), ("/", {"X\n": "y"})]
)
def test_nothing_can_be_slipped_into_a_request(url, path, headers):
    with Transport(url) as transport, pytest.raises(ValueError, match="space or control"):
        transport.request("GET", path, headers=headers)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:80", "ftp://host", "http://", "http://u:p@host", "http://host/?q=1", "http://[::1"]
)
def test_an_impossible_url_is_refused(url):
    with pytest.raises(ValueError, match="URL"):
        Transport(url)


@pytest.mark.parametrize("token", ["", "two words", "line\n", "tökén"])
def test_an_impossible_token_is_refused(token):
    with pytest.raises(ValueError, match="token"):
        Transport("http://127.0.0.1:1", token)


def test_a_closed_transport_says_so(url):
    transport = Transport(url)
    transport.close()
    with pytest.raises(RuntimeError, match="closed"):
        transport.request("GET", "/")


def test_ipv6(url):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback")
    with listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                answer(OK)(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Transport(f"http://[::1]:{listener.getsockname()[1]}") as transport:
            assert transport.request("GET", "/").body == b"ok"
        thread.join(5)


def test_the_environments_proxy_is_used_except_for_loopback(monkeypatch, url):
    requests = []

    def proxy(connection):
        requests.append(heard(connection))
        connection.sendall(OK)

    with scripted(proxy) as proxy_url:
        monkeypatch.setenv("http_proxy", proxy_url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with Transport("http://server.invalid/v1") as transport:
            assert transport.download("/x", memoryview(bytearray(2))).status == 200
        with Transport(url) as transport:
            assert transport.request("GET", "/").status == 200
        monkeypatch.setenv("no_proxy", "server.invalid")
        with Transport("http://server.invalid") as transport:
            assert isinstance(transport._http, SocketTransport)
    assert requests[0].startswith(b"GET http://server.invalid/v1/x HTTP/1.1\r\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection(url):
    with Transport(url) as transport:
        mine = transport.request("GET", "/").headers["x-peer"]
        child = os.fork()
        if not child:
            status = 1
            with contextlib.suppress(Exception):
                status = int(transport.request("GET", "/").headers["x-peer"] == mine)
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert transport.request("GET", "/").headers["x-peer"] == mine
