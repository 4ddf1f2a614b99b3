"""The watched folder: a mirror that keeps documents in step with the files of a folder.

    events ─┐
    rescan ─┴→ scan (what lies there) → compare (with what is known) → mirror (intake, rename, delete) → catalog

Events only say where to look. What is done follows from comparing the folder with the catalog, so that nothing
depends on an event that came, came twice, or did not come.
"""
