"""Worker processes: copies of a template that has imported what they need."""

import asyncio
import os
import signal

import pytest
from small_service import linux_only

pytest.importorskip("starlette", reason="the extra `web` is not installed")

from actionunits.web.limits import Limits
from actionunits.web.process import Workers

pytestmark = linux_only


def in_order(weights, *between):
    """What workers that are started one after the other tell of a model; in between, `between` gets the template."""

    async def run():
        workers, told = Workers(Limits()), []
        try:
            for change in (*between, None):
                worker = await workers.start({"do": "describe", "detector": {"weights": str(weights)}}, cpu_s=60)
                told.append([answer["model"] async for answer in worker.answers()])
                await worker.end()
                if change is not None:
                    change(workers._template)
        finally:
            workers.close()
        return told

    return asyncio.run(run())


def test_a_template_serves_one_worker_after_the_other_and_has_no_thread_that_copies_would_lack(small_weights):
    pids = []

    def note(template):
        with open(f"/proc/{template.pid}/status") as file:
            assert "Threads:\t1\n" in file.readlines()
        pids.append(template.pid)

    assert in_order(small_weights, note, note) == [["resnet18"]] * 3
    assert pids[0] == pids[1]


def test_another_template_takes_the_place_of_one_that_was_ended(small_weights):
    ended = []

    def kill(template):
        os.kill(template.pid, signal.SIGKILL)
        ended.append(template.pid)

    assert in_order(small_weights, kill) == [["resnet18"]] * 2


def test_a_worker_starts_from_nothing_where_the_template_does_not_answer(small_weights):
    def stop(template):
        os.kill(template.pid, signal.SIGSTOP)
        template._line.settimeout(0.1)

    assert in_order(small_weights, stop) == [["resnet18"]] * 2
