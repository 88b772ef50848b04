"""The page at `/`: the server's name, and links to its routes."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from . import codec
from .codec import JSON, MSGPACK

router = APIRouter()
HTML: Final = "text/html"
TEXT: Final = "text/plain"
_WHAT: Final = "Tensors and autograd graphs that live here; use them over HTTP."
_LINKS: Final = {
    "docs": ("/docs", "every route, with examples to try"),
    "ops": ("/v1/ops", "every op, with its signature"),
    "info": ("/v1/info", "versions, devices and memory of this server; asks for the token where there is one"),
    "health": ("/v1/health", "whether it answers"),
    "openapi": ("/openapi.json", "the routes, for programs"),
    "rows": ("/v1/rows", "the table of the binary protocol, for writers of clients"),
}
_PYTHON: Final = """\
import telegrad as torch
torch.connect("{url}")
print(torch.ones(3) * 2)"""
_CURL: Final = """\
curl {url}/v1/sessions \\
  -H 'content-type: application/json' -d '{{}}'"""


@router.get("/", include_in_schema=False)
async def home(request: Request) -> Response:
    """A page for browsers; JSON, text or msgpack as a caller accepts."""
    kind = codec.choose(request.scope, (JSON, TEXT, HTML, MSGPACK))
    url = str(request.base_url).rstrip("/")
    if kind == HTML:
        return Response(_page(url), media_type=HTML)
    if kind == TEXT:
        return Response(_text(url), media_type=TEXT)
    return Response(codec.render(_plain(), kind), media_type=kind)


def _plain() -> dict[str, Any]:
    links = {name: path for name, (path, _) in _LINKS.items()}
    return {"name": "telegrad", "version": version("telegrad"), "summary": _WHAT, "links": links}


def _text(url: str) -> str:
    links = "".join(f"  {url}{path:14} {words}\n" for path, words in _LINKS.values())
    return f"telegrad {version('telegrad')}\n{_WHAT}\n\n{links}\nA session begins with\n\n{_CURL.format(url=url)}\n"


def _page(url: str) -> str:
    title = f"telegrad {version('telegrad')}"
    links = "".join(
        f'<dt><a href="{path}">{path}</a></dt><dd>{escape(words)}</dd>\n' for path, words in _LINKS.values()
    )
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/docs/assets/favicon.png">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem }}
dd {{ margin: 0 }}
pre {{ padding: .8rem 1rem; overflow-x: auto; border: 1px solid #8884; border-radius: .4rem }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{escape(_WHAT)}</p>
<dl>
{links}</dl>
<h2>From Python</h2>
<pre>{escape(_PYTHON.format(url=url))}</pre>
<h2>From anything else</h2>
<pre>{escape(_CURL.format(url=url))}</pre>
</body>
</html>
"""
