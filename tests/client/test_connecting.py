"""What `connect` says of an address that has no telegrad server, and how long it takes to say so."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import telegrad as tg
from telegrad._http import session as http_session
from telegrad._http.session import Session
from telegrad._runtime.process import stream

AT_ONCE = 2.0
"""Seconds in which an error that waiting cannot mend is told, on a busy machine."""


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    yield
    stream.restart()


def refusal(url: str, token: str | None = None) -> str:
    """What connecting raises, which is one traceback and takes no time."""
    begun = time.monotonic()
    with pytest.raises(ConnectionError) as caught:
        tg.connect(url, token)
    assert time.monotonic() - begun < AT_ONCE
    text = "".join(traceback.format_exception(caught.value))
    assert text.count("Traceback (most recent call last)") == 1, text
    assert "telegrad/_" not in text
    return str(caught.value)


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that hands each connection to `serve`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):  # the listener's end
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.settimeout(5)
                        serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


class Website(http.server.BaseHTTPRequestHandler):
    """A web server that is not ours."""

    status = 404

    def do_POST(self) -> None:
        body = b"<html><head><title>Oh</title></head><body><h1>Not found here</h1></body></html>"
        self.send_response(self.status)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def website(status: int) -> Iterator[str]:
    handler = type("Site", (Website,), {"status": status})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that nobody trusts, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {path} -out {path}.crt -days 2 -subj /CN=localhost".split(),
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@contextlib.contextmanager
def tls_server(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1 << 16)

    with listening(serve) as port:
        yield port


def test_a_name_that_does_not_resolve_is_told_at_once() -> None:
    assert "Check the host's name" in refusal("http://no-such-host.invalid:7465")
    assert "Check the host's name" in refusal("https://no-such-host.invalid:7465")


def test_tls_to_a_plain_port_is_told_at_once() -> None:
    with website(404) as url:
        told = refusal(url.replace("http://", "https://"))
        assert f"its URL is {url}" in told


def test_plain_http_to_a_tls_port_is_told_at_once(certificate: Path) -> None:
    with tls_server(certificate) as port:
        assert f"It speaks TLS: its URL is https://127.0.0.1:{port}" in refusal(f"http://127.0.0.1:{port}")


def test_a_certificate_that_is_not_trusted_is_told_at_once(certificate: Path) -> None:
    with tls_server(certificate) as port:
        assert "certificate is not trusted" in refusal(f"https://127.0.0.1:{port}")


@pytest.mark.parametrize("status", [200, 301, 403, 404, 405, 500])
def test_another_web_server_is_told_at_once(status: int) -> None:
    with website(status) as url:
        told = refusal(url)
        assert f"{url} answered {status} as no telegrad server does: 'Not found here'" in told
        assert "Check the port" in told


def test_another_protocol_is_told_at_once() -> None:
    def greet(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n")

    with listening(greet) as port:
        assert "no telegrad server" in refusal(f"http://127.0.0.1:{port}")


def test_a_proxy_whose_server_is_about_to_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_session, "PATIENCE", 0.3)
    with website(502) as url:
        assert "waited" in refusal(url)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("gpu-box:7465", "'http://gpu-box:7465'"),
        ("localhost:7465", "'http://localhost:7465'"),
        ("192.168.1.5:7465", "'http://192.168.1.5:7465'"),
        ("gpu-box", "'http://gpu-box'"),
        ("[::1]:7465", "'http://[::1]:7465'"),
    ],
)
def test_a_url_without_its_scheme_is_told_with_one(url: str, meant: str) -> None:
    with pytest.raises(ValueError, match="did you mean") as caught:
        tg.connect(url)
    assert meant in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://gpu-box", "http://", "", "http://a:b:c", "http://u:p@gpu-box", "http://x/?a=b"])
def test_what_is_no_url_is_a_value_error_and_ends_no_session(url: str) -> None:
    before = stream.session
    with pytest.raises(ValueError, match="URL"):
        tg.connect(url)
    assert stream.session is before


def test_white_space_around_url_and_token_is_no_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(" http://127.0.0.1:9\n", "secret\n")
    assert (session.url, session.token) == ("http://127.0.0.1:9", "secret")
    monkeypatch.setenv("TELEGRAD_URL", "http://127.0.0.1:9 ")
    monkeypatch.setenv("TELEGRAD_TOKEN", " secret\r\n")
    assert (Session().url, Session().token) == ("http://127.0.0.1:9", "secret")
    with pytest.raises(ValueError, match="visible ASCII"):
        tg.connect("http://127.0.0.1:9", "two words")


def test_a_refused_connection_is_waited_for_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http_session, "SAID_AFTER", 0.1)
    monkeypatch.setattr(http_session, "PATIENCE", 0.6)
    told = refusal("http://127.0.0.1:9")
    assert "Connection refused" in told
    assert "telegrad serve" in told
    assert capfd.readouterr().err.count("waiting for http://127.0.0.1:9") == 1


def test_nothing_is_said_of_a_short_wait(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(http_session, "PATIENCE", 0.3)
    refusal("http://127.0.0.1:9")
    assert capfd.readouterr().err == ""
