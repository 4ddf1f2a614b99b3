"""One look at everything: store, catalog, spool and cache. Nothing is changed."""

from __future__ import annotations

from pipeline.catalog.index import indexes
from pipeline.catalog.index.indexes import Index
from pipeline.errors import StoreDamaged
from pipeline.services import Services
from pipeline.vectorstore.base import Filter
from pipeline.verification.cache import check_cache
from pipeline.verification.documents import check_documents
from pipeline.verification.drift import Drift, Findings
from pipeline.verification.files import check_files
from pipeline.verification.pace import Pace, Scope
from pipeline.verification.points import check_points

__all__ = ["look"]

NOT_OURS = (
    "The server's collection {name} has vectors of another space: it is not made anew, as it may be that of another "
    "installation. Remove it there if it is of no use, and run: docrelay verify --repair"
)
"""The name of an index is never used for two spaces by one installation."""


def look(services: Services, scope: Scope, pace: Pace) -> Findings:
    """Look at everything, or at one collection.

    Raises:
        StackUnavailable: the store cannot be reached.
    """
    findings = Findings()
    with services.catalog.connect() as connection:
        every = indexes.list_all(connection)
    wanted = [index for index in every if scope.collection in (None, index.collection)]
    spaces = set[str]()
    for index in wanted:
        if index.role == "dropping":
            continue
        try:
            _look_at_index(services, index, scope, findings, pace)
        except StoreDamaged as error:
            findings.add(Drift("store_damaged", 1, index.collection, detail=error.message))
            findings.stores.add(index.name)
        if index.fingerprint.id not in spaces:
            spaces.add(index.fingerprint.id)
            check_cache(services, index, findings, pace)
    if scope.collection is None:
        _find_unknown(services, findings)
        check_files(services, findings)
    return findings


def _look_at_index(services: Services, index: Index, scope: Scope, findings: Findings, pace: Pace) -> None:
    number = services.store.count(index.name, Filter())
    space = services.store.collections().get(index.name)
    if space is not None and space != index.fingerprint:
        findings.add(Drift("wrong_space", max(number, 1), index.collection, detail=f"space {space.id}"))
        if services.settings.qdrant_url is None:
            findings.stores.add(index.name)
        else:
            findings.notes.append(NOT_OURS.format(name=index.name))
        return
    numbers = check_points(services, index, findings, pace)
    if index.role == "live":
        check_documents(services, index, scope, findings, pace, numbers)
        _check_alias(services, index, findings)


def _check_alias(services: Services, index: Index, findings: Findings) -> None:
    """A collection has its own name as an alias in the store, unless another collection has that name."""
    names = services.store.collections()
    if index.name not in names or index.collection in names or not services.store.count(index.name, Filter()):
        return
    if services.store.aliases().get(index.collection) != index.name:
        findings.add(Drift("alias", 1, index.collection, detail=f"index {index.name}"))
        findings.aliases[index.collection] = index.name


def _find_unknown(services: Services, findings: Findings) -> None:
    """Find indexes in the store that are none of the catalog's.

    On a server only those of collections that the catalog knows: others may be those of another installation.
    """
    if findings.stores:
        return  # a store that is damaged does not say what it holds; the next round finds them
    stored = services.store.collections().keys()
    # Read after the store was: an index is in the catalog before it is in the store, and leaves it after that.
    with services.catalog.connect() as connection:
        every = indexes.list_all(connection)
    names, collections = {index.name for index in every}, {index.collection for index in every}
    for name in sorted(stored & services.store.collections().keys()):
        collection, sign, _ = name.rpartition("~")
        if name in names or not sign:
            continue
        number = services.store.count(name, Filter())
        if services.settings.qdrant_url is not None and collection not in collections:
            findings.notes.append(f"The server holds {number} points of {name}, which this catalog does not know.")
            continue
        findings.add(Drift("surplus_points", max(number, 1), collection, detail=f"index {name}"))
        findings.unknown_indexes.add(name)
