"""Images of pages: a page of a document as a picture, with the boxes of a passage marked, and these boxes as numbers.

request         what may be asked for
source          the version, and what its page is drawn from: the file, or the kept text
texts           the text of one page, and where it begins in the document
text_reads      few kept texts in memory at once
kept_sheets     the sheets of long texts, kept in the spool
renderers       few sandboxes at once
single_flight   equal requests at the same time are one piece of work
images          the picture and its boxes, kept in the spool
"""

from __future__ import annotations

from pipeline.page_images.images import PageImage, draw_image, find_image, page_detail, prepare_pages
from pipeline.page_images.renderers import Renderers
from pipeline.page_images.request import PageRequest
from pipeline.page_images.source import PageSource, find_page

__all__ = [
    "PageImage",
    "PageRequest",
    "PageSource",
    "Renderers",
    "draw_image",
    "find_image",
    "find_page",
    "page_detail",
    "prepare_pages",
]
