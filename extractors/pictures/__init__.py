"""Pictures of pages: their formats, how they are prepared, and how OCR reads them."""
