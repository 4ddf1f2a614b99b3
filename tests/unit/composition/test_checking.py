"""Checks of workflows: each illegal shape is refused with a message that says what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from celery import Signature, chain, chord, group, signature

from pipeline import Chunk, Document, chunk, embed, extract, finalize, route, sidecar, stage, upsert
from pipeline.composition import decorator
from pipeline.composition.builtins import BUILTIN_STAGES
from pipeline.composition.plugins import discover
from pipeline.composition.validation import plan_of
from pipeline.engine.canvas import Batch, begin, fan, follow_up, scanned
from pipeline.engine.celery_app import make_app
from pipeline.engine.process import Worker
from pipeline.engine.tasks import register
from pipeline.errors import BadRequest
from pipeline.names import QUEUES
from pipeline.plan import PLAIN, Plan
from pipeline.settings import Settings


@pytest.fixture(autouse=True)
def own_stages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    discover()
    monkeypatch.setattr(decorator.REGISTRY, "_stages", dict(decorator.REGISTRY._stages))
    stage(queue="words", name="shout")(_shout)
    stage(queue="words", name="mark")(_mark)
    return


def _shout(document: Document, *, times: int = 1, mask: str = "!") -> Document:
    return document


def _mark(chunks: list[Chunk], *, color: str = "red") -> list[Chunk]:
    return chunks


def shout(**options: Any) -> Signature:
    return decorator.find_stage("shout")(**options)


def mark(**options: Any) -> Signature:
    return decorator.find_stage("mark")(**options)


def end() -> Signature:
    return chord([embed() | upsert()], finalize())


SAME: list[Callable[[], Signature]] = [
    lambda: extract() | chunk() | chord([embed() | upsert()], finalize()),
    lambda: extract() | chunk() | chord(group([embed() | upsert()]), finalize()),
    lambda: extract() | chunk() | group([embed() | upsert()]) | finalize(),
    lambda: chain(extract(), chunk(), group(embed() | upsert()), finalize()),
    lambda: chain(extract() | chunk(), chord([chain(embed(), upsert())], finalize())),
    lambda: extract() | chunk() | embed() | upsert() | finalize(),
]


@pytest.mark.parametrize("write", SAME)
def test_every_notation_of_the_plain_workflow_gives_the_same_plan(write: Callable[[], Signature]) -> None:
    assert plan_of(write()) == PLAIN


def test_a_workflow_with_every_feature_gives_its_plan() -> None:
    plan = plan_of(
        route(collections={"image/*": "scans"}, otherwise="rest")
        | sidecar()
        | extract()
        | shout(times=2)
        | shout(mask="?")
        | chunk(tokens=64)
        | chord([mark(color="blue") | embed() | upsert()], finalize())
    )

    assert [(step.key, step.stage, step.queue) for step in plan.documents] == [
        ("shout", "shout", "words"),
        ("shout-2", "shout", "words"),
    ]
    assert [step.options for step in plan.documents] == [{"times": 2, "mask": "!"}, {"times": 1, "mask": "?"}]
    assert plan.texts == ("shout", "shout-2", "chunk")
    assert plan.fan == ("mark", "embed", "upsert")
    assert plan.cutting == {"tokens": 64}
    assert plan.collections == ("scans", "rest")
    assert Plan.from_json(plan.to_json()) == plan


WRONG: list[tuple[str, Callable[[], Any], str, str]] = [
    ("no signature", lambda: None, "returns a signature, not nothing", "The shape is"),
    ("a chord in a chord", lambda: extract() | chunk() | chord([chord([embed() | embed()], upsert())], finalize()),
     "chord inside the chord", "as a chain"),
    ("a group in a chord", lambda: extract() | chunk() | chord([mark() | group([embed(), upsert()])], finalize()),
     "chord inside the chord", "as a chain"),
    ("a chord not opened by chunk", lambda: extract() | end(), "not opened by chunk", "right before the chord"),
    ("a chord of documents", lambda: extract() | chunk() | chord([extract() | chunk()], finalize()),
     "documents need no chord", "before the chord"),
    ("a chord first", lambda: chord([extract() | chunk()], finalize()), "not opened by chunk", "right before"),
    ("two chords", lambda: extract() | chunk() | chord([embed()], upsert()) | chord([mark()], finalize()),
     "second chord", "in one"),
    ("two members", lambda: extract() | chunk() | chord([embed(), upsert()], finalize()), "2 members", "Write one"),
    ("behind the chord", lambda: extract() | chunk() | chord([embed()], upsert()) | finalize(),
     "upsert() stands behind the chord", "in the chord's header"),
    ("the wrong order", lambda: chunk() | extract() | end(), "chunk", ""),
    ("upsert before embed", lambda: extract() | chunk() | chord([upsert() | embed()], finalize()),
     "embed() stands at the wrong place", "before upsert()"),
    ("no finalize", lambda: extract() | chunk() | embed() | upsert(), "no finalize()", "as the body of the chord"),
    ("no chunk", lambda: extract() | embed() | upsert() | finalize(), "no chunk()", "before the chord"),
    ("embed twice", lambda: extract() | chunk() | chord([embed() | embed() | upsert()], finalize()), "2 times", "once"),
    ("an unknown stage", lambda: extract() | signature("docrelay.translate") | chunk() | end(),
     "no stage docrelay.translate", "@stage"),
    ("a task of another application", lambda: extract() | signature("mail.send") | chunk() | end(),
     "no stage mail.send", "@stage"),
    ("a document stage on chunks", lambda: extract() | chunk() | chord([shout() | embed() | upsert()], finalize()),
     "shout() stands at the wrong place", "between extract() and chunk()"),
    ("a chunk stage on documents", lambda: extract() | mark() | chunk() | end(),
     "chunk() stands at the wrong place", "after the stages that work on documents"),
    ("a chunk stage after embed", lambda: extract() | chunk() | chord([embed() | mark() | upsert()], finalize()),
     "mark() stands at the wrong place", "before embed()"),
    ("route after extract", lambda: extract() | route(collections={"a/b": "c"}) | chunk() | end(),
     "route() stands at the wrong place", "before extract()"),
    ("another queue", lambda: extract().set(queue="fast") | chunk() | end(), "another queue", "@stage(queue="),
    ("options of Celery", lambda: extract().set(countdown=5) | chunk() | end(), "options of Celery", ".set()"),
    ("data", lambda: signature("docrelay.extract", args=("a.pdf",)) | chunk() | end(), "given data", "extract()"),
    ("an unknown parameter", lambda: extract() | shout(tmies=2) | chunk() | end(), "no such parameter", "times, mask"),
    ("a parameter of the wrong type", lambda: extract() | shout(times="many") | chunk() | end(), "shout(times", ""),
    ("a hand-made signature", lambda: extract() | signature("docrelay.shout", kwargs={"times": []}) | chunk() | end(),
     "shout(times", "times, mask"),
    ("too few tokens", lambda: extract() | chunk(tokens=3) | end(), "chunk(tokens", "tokens, overlap"),
    ("a chain sent elsewhere", lambda: (extract() | chunk() | end()).set(queue="fast"), "sends chain to another queue",
     "@stage(queue="),
    ("a chord sent elsewhere", lambda: extract() | chunk() | end().set(queue="fast"), "sends chord to another queue",
     "@stage(queue="),
    ("a group sent elsewhere", lambda: extract() | chunk() | chord([group([embed(), upsert()]).set(queue="fast")],
     finalize()), "sends group to another queue", "@stage(queue="),
    ("a chain within sent elsewhere", lambda: extract() | chunk() | chord([(embed() | upsert()).set(queue="fast")],
     finalize()), "sends chain to another queue", "@stage(queue="),
    ("an errback of a chain", lambda: (extract() | chunk() | end()).on_error(signature("mail.send")),
     "options of Celery's on chain", "link_error"),
    ("an errback of a chord", lambda: extract() | chunk() | chord([embed() | upsert()],
     finalize().on_error(signature("mail.send"))), "options of Celery's on finalize", "link_error"),
    ("an urgency", lambda: extract() | chunk() | chord([embed().set(priority=0) | upsert()], finalize()),
     "options of Celery's on embed", ".set()"),
    ("an end of a chain", lambda: chain(extract(), chunk(), end(), expires=3), "options of Celery's on chain",
     ".set()"),
    ("a group at the end", lambda: extract() | chunk() | chord([embed() | upsert()], group(finalize())),
     "ends with a group", "Write finalize() last"),
    ("a suffix for a type", lambda: route(collections={"pdf": "papers"}) | extract() | chunk() | end(),
     "'pdf' is no media type: write application/pdf", "collections"),
    ("a name for a type", lambda: route(collections={"sound": "a"}) | extract() | chunk() | end(),
     "'sound' is no media type: write one as in", "collections"),
    ("a wrong collection", lambda: route(collections={"a/b": "no name"}) | extract() | chunk() | end(), "route(", ""),
]  # fmt: skip


@pytest.mark.parametrize(("write", "message", "hint"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_illegal_workflow_shapes_are_refused_with_a_hint(write: Callable[[], Any], message: str, hint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        plan_of(write())

    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_route_says_media_types_in_any_case() -> None:
    plan = plan_of(route(collections={"Application/PDF": "a", "image/*": "b", "*": "c"}) | extract() | chunk() | end())

    assert plan.route["collections"] == {"application/pdf": "a", "image/*": "b", "*": "c"}


def bare(document, *, times=1):  # type: ignore[no-untyped-def]
    return document


def untyped_option(document: Document, *, times=1) -> Document:  # type: ignore[no-untyped-def]
    return document


def mixed(document: Document) -> list[Chunk]:
    return []


def positional(document: Document, times: int) -> Document:
    return document


async def later(document: Document) -> Document:
    return document


def bit_by_bit(document: Document) -> Document:  # type: ignore[misc]
    yield document


def wrong_default(document: Document, *, times: int = "x") -> Document:  # type: ignore[assignment]
    return document


def none_by_default(document: Document, *, mask: str = None) -> Document:  # type: ignore[assignment]  # noqa: RUF013
    return document


def no_data(document: Document, *, lock: Thread | None = None) -> Document:
    return document


def any_number(document: Document, **masks: str) -> Document:
    return document


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (later, {"queue": "q"}, "The stage later is async, or a generator"),
        (bit_by_bit, {"queue": "q"}, "The stage bit_by_bit is async, or a generator"),
        (wrong_default, {"queue": "q"}, r"wrong_default\(times=…\) has a default of another type"),
        (none_by_default, {"queue": "q"}, r"none_by_default\(mask=…\) has a default of another type"),
        (no_data, {"queue": "q"}, "has a type that cannot be checked"),
        (any_number, {"queue": "q"}, "needs a name and a type"),
        (_shout, {"queue": "unacked", "name": "fine"}, "cannot have the queue"),
        (_shout, {"queue": "celery", "name": "fine"}, "cannot have the queue"),
        (lambda document: document, {"queue": "q"}, "cannot be named"),
        (bare, {"queue": "q"}, "fits no place"),
        (mixed, {"queue": "q"}, "fits no place"),
        (positional, {"queue": "q"}, "fits no place"),
        (untyped_option, {"queue": "q"}, "needs a name and a type"),
        (_shout, {"queue": "extract", "name": "fine"}, "cannot have the queue"),
        (_shout, {"queue": "Not a queue", "name": "fine"}, "cannot have the queue"),
        (_shout, {"queue": "q", "name": "embed"}, "cannot be named"),
        (_shout, {"queue": "q", "name": "completed"}, "cannot be named"),
        (_shout, {"queue": "q", "name": "mark"}, "Two stages are named mark"),
    ],
)
def test_functions_that_cannot_be_stages_are_refused(
    function: Callable[..., Any], options: dict[str, str], message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        stage(**options)(function)


def test_names_and_queues_of_the_engine_are_kept() -> None:
    """No stage of a plug-in may have the name or the queue of an engine task."""
    app = make_app(Settings(redis_url="redis://127.0.0.1:1/0"))
    register(app, Worker("node", Settings()))
    mine = {name.removeprefix("docrelay.") for name in app.tasks if name.startswith("docrelay.")}
    mine -= {step.name for step in decorator.declared_stages()}

    assert mine >= {"extract", "reconcile", "recover", "reindex", "sweep"}
    for name in {*mine, *BUILTIN_STAGES}:
        with pytest.raises(BadRequest, match="cannot be named") as caught:
            stage(queue="words", name=name)(_shout)
        assert name in caught.value.hint
    for queue in QUEUES:
        with pytest.raises(BadRequest, match="cannot have the queue"):
            stage(queue=queue, name="fine")(_shout)


def named_oddly(document: Document, *, model_config: int = 1, _x: int = 2, self: int = 3) -> Document:
    return replace(document, metadata={"names": [model_config, _x, self]})


def test_stage_parameters_may_have_any_name() -> None:
    own = stage(queue="words")(named_oddly)
    options = own(self=4, _x=5).kwargs

    assert options == {"model_config": 1, "_x": 5, "self": 4}
    about: Any = None
    assert own.run(Document("text/plain", ()), about, options).metadata == {"names": [1, 5, 4]}


def names(canvas: Signature) -> Any:
    """A canvas as nested lists of task names."""
    if canvas.task == "celery.chord":
        return {"header": [names(step) for step in canvas.tasks], "body": names(canvas.body)}
    if canvas.task == "celery.chain":
        return [names(step) for step in canvas.tasks]
    return canvas.task.removeprefix("docrelay.")


def test_a_canvas_is_never_nested() -> None:
    plan = plan_of(extract() | shout() | shout() | chunk() | chord([mark() | embed() | upsert()], finalize()))
    batch = Batch("b", 5, plan)
    per_part = ["mark", "embed", "upsert"]

    assert names(begin(batch)) == ["extract", "shout", "shout", "chunk"]
    assert names(fan(batch, [0, 1])) == {"header": [per_part, per_part], "body": "finalize"}
    assert names(fan(batch, [])) == "finalize"
    # The body of a chord is a single task; what follows it is published by that task.
    assert names(scanned(batch, [0, 1])) == {"header": ["ocr", "ocr"], "body": "shout"}
    assert names(follow_up(batch, "ocr", 0)) == ["ocr", "shout", "shout", "chunk"]
    assert names(follow_up(batch, "shout-2", 0)) == ["shout", "chunk"]
    assert names(follow_up(batch, "mark", 1)) == [*per_part, "finalize"]


def test_every_task_of_a_canvas_has_an_id_of_its_own_and_the_queue_of_its_stage() -> None:
    batch = Batch("b", 5, plan_of(extract() | shout() | shout() | chunk() | end()))
    tasks = begin(batch).tasks

    assert len({step.options["task_id"] for step in tasks}) == 4
    assert [step.options.get("queue") for step in tasks] == [None, "words", "words", None]
    assert all(step.args == ("b", 0) and step.kwargs == {} for step in tasks)


def test_the_mark_of_a_plan_changes_with_what_decides_the_points() -> None:
    def marked(*stages: Signature, cut: Signature | None = None) -> str:
        return plan_of(chain(extract(), *stages, cut or chunk(), end())).mark

    plain = marked()
    marks = {marked(shout()), marked(shout(times=2)), marked(shout(), shout()), marked(cut=chunk(tokens=64))}

    assert plain == ""
    assert len(marks) == 4
    assert plan_of(route(collections={"a/b": "c"}) | extract() | chunk() | end()).mark == plain
