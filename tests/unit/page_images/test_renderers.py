"""Few sandboxes draw at once, what failed is not tried again at once, and what is idle goes: with few threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
from flow_tools import eventually, lives

from extractors.errors import Corrupt, TimedOut
from pipeline.errors import Busy
from pipeline.page_images import renderers
from pipeline.page_images.renderers import AT_ONCE, Renderers
from pipeline.page_images.single_flight import SingleFlight
from pipeline.settings import Settings
from pipeline.stages.sandbox import Sandbox


@pytest.fixture
def lent(tmp_path: Path) -> Iterator[Renderers]:
    made = Renderers(Settings(data_dir=tmp_path))
    yield made
    made.close()


class Crowd:
    """Work that waits until the test lets it go on, and counts how much of it is under way."""

    def __init__(self) -> None:
        self.begun, self.most, self.now = 0, 0, 0
        self.end = threading.Event()
        self._lock = threading.Lock()

    def work(self, _sandbox: Sandbox | None = None) -> object:
        with self._lock:
            self.begun += 1
            self.now += 1
            self.most = max(self.most, self.now)
        self.end.wait()
        with self._lock:
            self.now -= 1
        return object()


def test_no_more_pages_are_drawn_at_once_than_the_bound(lent: Renderers) -> None:
    crowd = Crowd()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(lent.use, str(number), crowd.work) for number in range(8)]
        assert eventually(lambda: crowd.begun == AT_ONCE)
        crowd.end.set()
        assert len({id(one.result()) for one in asked}) == 8
    assert (crowd.begun, crowd.most) == (8, AT_ONCE)


def test_a_page_that_cannot_be_begun_is_refused(lent: Renderers, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(lent.use, str(number), crowd.work) for number in range(AT_ONCE)]
        assert eventually(lambda: crowd.begun == AT_ONCE)
        monkeypatch.setattr(renderers, "PATIENCE_S", 0.05)
        with pytest.raises(Busy):
            lent.use("other", crowd.work)
        crowd.end.set()
        for one in asked:
            one.result()


def failing(calls: list[int], error: Callable[[], Exception]) -> Callable[[Sandbox], NoReturn]:
    def work(_sandbox: Sandbox) -> NoReturn:
        calls.append(1)
        raise error()

    return work


def test_a_page_that_failed_is_not_tried_again_at_once(lent: Renderers, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    found = []
    for _ in range(3):
        with pytest.raises(Corrupt, match="It is torn") as caught:
            lent.use("page", failing(calls, lambda: Corrupt("It is torn.")))
        found.append(caught.value)
    assert len(calls) == 1
    assert len({id(error) for error in found}) == 3  # an object that threads share would gather their tracebacks
    assert len({(error.code, error.hint) for error in found}) == 1
    with pytest.raises(TimedOut):
        lent.use("other page", failing(calls, TimedOut))
    monkeypatch.setattr(renderers, "FAILED_S", 0.0)
    with pytest.raises(Corrupt):
        lent.use("page", failing(calls, Corrupt))
    assert len(calls) == 3


def test_pages_that_fail_in_many_threads_harm_no_other(lent: Renderers) -> None:
    def fail(number: int) -> str:
        try:
            lent.use(str(number), failing([], Corrupt))
        except Corrupt as error:
            return error.code
        return ""

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fail, range(2000))) == {"corrupt"}


def test_sandboxes_that_are_idle_end_and_one_thread_sees_to_it(
    lent: Renderers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderers, "IDLE_S", 1.0)
    threads = threading.active_count()
    lent.use("page", lambda sandbox: sandbox.warm_up())
    sandbox = lent.use("page", lambda sandbox: sandbox)
    for number in range(500):
        assert lent.use(str(number), lambda sandbox: sandbox) is sandbox
    assert threading.active_count() <= threads + 1
    child = sandbox._child
    assert child is not None
    assert eventually(lambda: not lives(child.popen.pid))
    assert eventually(lambda: threading.active_count() == threads)


def test_equal_work_at_once_is_done_once_and_all_get_its_result() -> None:
    flight, crowd = SingleFlight(), Crowd()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(flight.run, "page", crowd.work) for _ in range(12)]
        other = pool.submit(flight.run, "another page", lambda: "other")
        crowd_of_one = eventually(lambda: crowd.begun == 1)
        crowd.end.set()
        results = {id(one.result()) for one in asked}
    assert other.result() == "other"
    assert crowd_of_one
    assert (crowd.most, len(results)) == (1, crowd.begun)
    assert flight.run("page", lambda: "later") == "later"


def test_each_who_waits_gets_an_error_of_its_own() -> None:
    flight, entered, end = SingleFlight(), threading.Event(), threading.Event()

    def fail() -> NoReturn:
        entered.set()
        end.wait()
        raise Corrupt("It is torn.")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flight.run, "page", fail)
        assert entered.wait(60)
        second = pool.submit(flight.run, "page", lambda: "not called while the other one is at it")
        assert eventually(lambda: second.running())
        end.set()
        errors = [first.exception(60), second.exception(60)]
    # The second thread may have come when the first one had ended.
    if errors[1] is not None:
        assert (str(errors[1]), errors[1] is errors[0]) == (str(errors[0]), False)
