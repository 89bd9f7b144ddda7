"""A process with ours: its session, group and priority, and that a terminal cannot stop it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from olivepress.core.child.process import end_process, start_process
from olivepress.core.privacy import child_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sessions and terminals are those of POSIX")

OWN = "import os; print(os.getsid(0), os.getpgid(0) - os.getpid(), os.nice(0), os.sched_getscheduler(0))"


@pytest.mark.skipif(sys.platform != "linux", reason="the policy for the lowest priority is Linux's")
@pytest.mark.parametrize(
    ("lowest_priority", "priority"), [(False, (os.nice(0), os.sched_getscheduler(0))), (True, (19, os.SCHED_IDLE))]
)
def test_its_session_group_and_priority(lowest_priority: bool, priority: tuple[int, int]) -> None:
    """Ours, for its priority to count beside our processes; its own, for Ctrl-C not to reach it; and as asked."""
    with start_process(
        [sys.executable, "-c", OWN], child_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=None, lowest_priority=lowest_priority,
    ) as process:  # fmt: skip
        output, _ = process.communicate(timeout=60)
    assert tuple(map(int, output.split())) == (os.getsid(0), 0, *priority)


ASKS = "import getpass; getpass.getpass()"  # sets the terminal up, writes to it and reads from it
AT_A_TERMINAL = f"""
import os, subprocess, sys
from olivepress.core.child.process import start_process
from olivepress.core.privacy import child_environment

os.open(sys.argv[1], os.O_RDWR)  # the first terminal that the leader of a session opens is the session's
none = subprocess.DEVNULL
with start_process([sys.executable, "-c", {ASKS!r}], child_environment(), stdin=none, stdout=none, stderr=none) as asks:
    print(asks.wait())
"""


def test_a_process_that_asks_at_the_terminal_fails_at_once() -> None:
    """A library that wants a password: in the background the terminal would stop it, and we would wait for ever."""
    ours, terminal = os.openpty()
    command = [sys.executable, "-c", AT_A_TERMINAL, os.ttyname(terminal)]
    asked = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, _ = asked.communicate(timeout=60)
    finally:
        end_process(asked)
        os.close(terminal)
        os.close(ours)
    assert output == "1\n"
