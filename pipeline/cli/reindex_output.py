"""What `docrelay reindex` prints: its plan, its progress and its result."""

from __future__ import annotations

import time

from pipeline.cli.follow import display, duration
from pipeline.cli.output import FAILED, INTERRUPTED, command, note, out, plain, print_json, quantity
from pipeline.cli.reindex_target import ReindexTarget
from pipeline.results import ReindexPlan, ReindexStatus

__all__ = ["follow", "print_plan", "print_status"]

ACTIVE_STATES = ("building", "gating", "switching", "rolling_back", "switching_back")
POLL_S = 0.5


def follow(target: ReindexTarget, status: ReindexStatus, *, wait: bool, as_json: bool) -> int:
    """Show a re-index until its switch, its end or a pause if `wait`, and print how it stands.

    Returns:
        The exit code.
    """
    message = None
    try:
        with display(quiet=as_json) as show:
            while wait and status.state in ACTIVE_STATES and not status.paused:
                time.sleep(POLL_S)
                show(target.job(status.job_id))
                status = target.send("status", status.collection)
                if status.message and status.message != message and status.state in ACTIVE_STATES and not as_json:
                    note(status.message)  # says what is still waited for when all documents are done
                message = status.message
    except KeyboardInterrupt:
        resume = command(f"reindex resume --collection {status.collection}")
        note(f"It is not ended, only not followed any more. Go on with: {resume}")
        return INTERRUPTED
    failed = status.failures or target.job(status.job_id).failed
    print_status(status, as_json=as_json)
    return FAILED if status.state in ("refused", "cancelled") or failed else 0


def print_status(status: ReindexStatus, *, as_json: bool) -> None:
    """Print how a re-index stands, and what the user can do next."""
    if as_json:
        print_json(status.model_dump())
        return
    paused = ", paused" if status.paused else ""
    out.print(f"Re-index of {status.collection}: {status.state}{paused}; {quantity(status.documents, 'document')}")
    if status.from_index != status.to_index:
        models = status.from_model or "dropped", status.to_model
        out.print(f"  from {status.from_index} ({models[0]}) to {status.to_index} ({models[1]})")
    if any(status.lacks.values()):
        out.print("  " + ", ".join(f"{number} {kind}" for kind, number in status.lacks.items()))
    for name, value in (status.report or {}).items():
        out.print(f"  {name}: {value if name != 'refused' else ', '.join(value)}")
    for failure in status.failures:
        out.print(f"  {failure['code']}  {plain(failure['source'])}: {plain(failure['message'])}")
    if status.message:
        out.print(f"  {plain(status.message)}")
    _print_next_steps(status)


def print_plan(plan: ReindexPlan, *, as_json: bool) -> None:
    """Print what a re-index would do."""
    if as_json:
        print_json(plan.model_dump())
        return
    index = "in its own index" if plan.in_place else f"beside it: {plan.from_model} → {plan.to_model}"
    out.print(
        f"Collection {plan.collection}, {index}, {plan.dimensions} dimensions, chunks of {plan.chunk_tokens} tokens"
    )
    out.print(f"  {quantity(plan.documents, 'document')}, about {quantity(plan.chunks, 'chunk')}")
    out.print(f"  {plan.texts_kept} with their text kept, {plan.unreadable} with neither text nor file")
    if plan.files_gone:
        out.print(
            f"  {quantity(plan.files_gone, 'document')} whose file is gone: the kept text is cut again; "
            "with the file back at its place, run the same command"
        )
    out.print(f"  stages: {', '.join(plan.stages)}")
    seconds = f"about {duration(plan.seconds)}" if plan.seconds is not None else "unknown: nothing was measured yet"
    out.print(f"  time: {seconds}; disk: about {plan.disk_bytes / 2**20:.0f} MB")
    out.print("Nothing was changed.")


def _print_next_steps(status: ReindexStatus) -> None:
    """Print the commands with which the user can go on with a re-index in this state."""
    option = f" --collection {status.collection}"
    if status.state == "soaking":
        rollback = command("reindex rollback" + option)
        out.print(f"The old index is kept until {status.soak_until}. Back to it: {rollback}")
    elif status.state == "refused":
        steps = {"Try again": "resume", "Go on without these documents": "resume --allow-failed", "Give up": "cancel"}
        if "failed" not in (status.report or {}).get("refused", []):
            del steps["Go on without these documents"]
        out.print("Readers keep the old index.")
        for step, words in steps.items():
            out.print(f"  {step}: {command(f'reindex {words}{option}')}")
