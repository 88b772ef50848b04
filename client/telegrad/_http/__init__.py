"""HTTP with the server: the session, the transport, HTTP/1.1, a local server."""
