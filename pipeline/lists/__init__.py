"""Lists of documents and jobs, page by page: what is asked for, and where a page begins."""
