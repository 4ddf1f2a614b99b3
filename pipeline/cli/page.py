"""`docrelay page`: show where a passage stands on a page of a document, and write the page as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.connect import manager_of
from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import out, plain, print_json, quantity
from pipeline.cli.output_file import new_file

if TYPE_CHECKING:
    from pipeline.page_images import PageRequest
    from pipeline.results import PageDetail, PagePosition
    from pipeline.settings import Settings

__all__ = ["page"]

SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""Formats by the suffix of the file that is written."""


def page(
    context: typer.Context,
    document: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a document, or its beginning.", show_default=False)
    ],
    number: Annotated[
        int | None,
        typer.Argument(
            metavar="PAGE",
            min=1,
            help="The page, counted from 1; by default where the passage begins.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the page into this file (.png, .jpg, .webp).", show_default=False),
    ] = None,
    width: Annotated[int, typer.Option("--width", min=16, max=2400, help="Pixels of its width at most.")] = 800,
    start: Annotated[
        int | None,
        typer.Option("--char-start", min=0, help="First character of a passage to mark.", show_default=False),
    ] = None,
    end: Annotated[
        int | None, typer.Option("--char-end", min=1, help="The character behind the passage.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Show a page of a document: its size, and where a passage stands; with --output, write it as a picture."""
    from pipeline.page_images import PageRequest

    settings = settings_of(context, data_dir, server)
    document_id = manager_of(settings).status(document).id
    suffix = ".png" if output is None else output.suffix.lower()
    # An unknown suffix is refused as the format that it would be.
    kind = SUFFIXES.get(suffix, suffix.removeprefix("."))
    request = PageRequest(document_id, number or 1, width, kind, start, end)
    if number is None and start:
        request = replace(request, page=_position(settings, request).page)
    if output is None:
        detail, _ = _ask(settings, request, draws=False)
    else:
        detail = _write(settings, request, output, force=force)
    if json:
        print_json({**detail.model_dump(), "output": None if output is None else str(output)})
    else:
        _print(detail, start is not None or end is not None, output)


def _position(settings: Settings, request: PageRequest) -> PagePosition:
    """Where the passage begins."""
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).page_position(request.document_id, request.char_start or 0)
    from pipeline.page_images import find_page
    from pipeline.services import Services

    return find_page(Services(settings), request).position()


def _ask(settings: Settings, request: PageRequest, *, draws: bool) -> tuple[PageDetail, bytes | None]:
    """The page, and with `draws` its image: of the server, or drawn here; no stack is needed."""
    if settings.server is not None:
        from pipeline.cli.remote import page_on_server

        return page_on_server(settings, request, draws=draws)
    from pipeline.page_images import draw_image, find_page, page_detail
    from pipeline.services import Services

    source = find_page(Services(settings), request)
    return page_detail(source), draw_image(source).data if draws else None


def _write(settings: Settings, request: PageRequest, output: Path, *, force: bool) -> PageDetail:
    """Write the image of the page, and return the page."""
    with new_file(output, force=force) as path:
        detail, image = _ask(settings, request, draws=True)
        path.write_bytes(image or b"")
    return detail


def _print(detail: PageDetail, has_passage: bool, output: Path | None) -> None:
    span = "" if detail.char_start is None else f", characters {detail.char_start} to {detail.char_end}"
    out.print(f"Page {detail.page} of {detail.pages}: {detail.width:g} x {detail.height:g} {detail.unit}{span}")
    if has_passage:
        found = f"{detail.letters_found} of its {quantity(detail.letters, 'letter')} found on this page"
        out.print(f"The passage: {quantity(len(detail.boxes), 'rectangle')}, {found}")
    if output is not None:
        out.print(f"Written: {plain(str(output))}")
