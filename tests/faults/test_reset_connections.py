"""A worker whose connection is reset while it takes or acknowledges a message loses none, and goes on to receive."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cutting_proxy import CuttingProxy, cutting_proxy
from flow_rig import QUICK, FlowRig
from search_rig import redis_server

from pipeline.settings import Settings
from pipeline.stack.process_plan import processes

HANGS_S = 120.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[CuttingProxy]:
    with redis_server() as url, cutting_proxy(url) as cutting:
        yield cutting


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, proxy: CuttingProxy) -> Iterator[FlowRig]:
    """Workers that reach their Redis through the proxy, each with a single process."""
    folder = tmp_path_factory.mktemp("acknowledgement") / "data"
    chosen = Settings(data_dir=folder, redis_url=proxy.url, **{**QUICK, "extract_processes": 1})
    with ExitStack() as stack:
        for spec in processes(chosen):
            started = subprocess.Popen(spec.command, env={**os.environ, **spec.environment}, stderr=subprocess.DEVNULL)
            stack.enter_context(started)
            stack.callback(started.terminate)
        flow_rig = FlowRig(chosen)
        flow_rig.gates.open()
        yield flow_rig


@pytest.mark.parametrize("worker", ["extract", "embed-1", "store"])
def test_a_reset_while_a_worker_acknowledges(rig: FlowRig, proxy: CuttingProxy, tmp_path: Path, worker: str) -> None:
    """Twice: the worker that has connected anew once does so again."""
    acknowledgement = rf"ZREM\r\n\$\d+\r\ndocrelay:unacked_index:{worker}@".encode()
    for line in ("The keeper wrote down each ship.", "And the hour at which it passed."):
        (tmp_path / f"{len(line)}.txt").write_text(line)
        was_cut = proxy.cut_at(re.compile(acknowledgement))
        job = rig.submit(tmp_path, collection=f"acknowledgement-{worker}")
        assert rig.wait(job, HANGS_S)["completed"] == 1
        assert was_cut.wait(HANGS_S)
        rig.assert_at_rest(job)


@pytest.mark.parametrize("worker", ["extract", "embed-1", "store"])
def test_a_reset_while_a_worker_takes_a_message(rig: FlowRig, proxy: CuttingProxy, tmp_path: Path, worker: str) -> None:
    """Redis has noted that the worker has it, and the worker does not know."""
    taking = re.compile(rf"HSET\r\n\$\d+\r\ndocrelay:unacked:{worker}@".encode())
    for line in ("The lamp was lit at dusk.", "It was put out at dawn, and cleaned."):
        (tmp_path / f"{len(line)}.txt").write_text(line)
        was_cut = proxy.cut_at(taking, carried_out=True)
        job = rig.submit(tmp_path, collection=f"taking-{worker}")
        assert rig.wait(job, HANGS_S)["completed"] == 1
        assert was_cut.wait(HANGS_S)
        rig.assert_at_rest(job)
