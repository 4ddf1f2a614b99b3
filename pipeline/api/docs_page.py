"""The page /docs: a description of the API that a browser shows, without a script or style of another server."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

__all__ = ["STATIC_URL", "add_docs_page"]

STATIC_URL = "/docs/static"

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page runs its own scripts alone, calls this server alone, and stands in no frame.

Swagger UI sets styles inline.
"""


def add_docs_page(app: FastAPI) -> None:
    """Serve the page at /docs; its script and style lie below `STATIC_URL`."""
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=f"{app.title} - API",
        swagger_js_url=f"{STATIC_URL}/swagger-ui-bundle.js",
        swagger_css_url=f"{STATIC_URL}/swagger-ui.css",
        swagger_favicon_url=f"{STATIC_URL}/favicon.png",
    )
    text = bytes(page.body).decode()
    policy = POLICY.format(scripts=" ".join(map(_hash_source, INLINE_SCRIPT.findall(text))))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})


def _hash_source(script: str) -> str:
    """The expression by which a policy allows this inline script."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
