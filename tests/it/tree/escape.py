# A server whose children do what they can to outlive it. Every process of it has the environment of the first one.
# Usage: escape.py [WORD...]; the first process ends on SIGTERM like most programs do.
#
# A test that fails must not leave what forks for ever: everything here ends by itself after LIFE seconds.
import mmap
import os
import signal
import sys
import time


LIFE = 180
# Far more than any limit of a test; what forks stops forking then.
BOMB = 2000
DEADLINE = time.monotonic() + LIFE


def left():
    return max(0, DEADLINE - time.monotonic())


def deaf():
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)


def forever():
    while left():
        time.sleep(left())


def child(life):
    if os.fork() == 0:
        try:
            life()
        finally:
            os._exit(0)


def daemon():
    """Away from its session and its parent, and deaf."""
    os.setsid()
    deaf()
    child(forever)


def fork_for_ever():
    """Never the same process for longer than a moment."""
    deaf()
    while left():
        if os.fork():
            os._exit(0)
        os.setsid()
        time.sleep(0.001)


def stopped():
    """Ended in the end by the process that it is a child of: a stopped one cannot end by itself."""
    pid = os.fork()
    if pid:
        forever()
        os.kill(pid, signal.SIGKILL)
        return
    os.setsid()
    os.kill(os.getpid(), signal.SIGSTOP)
    forever()


def wrapped():
    """As `npx` starts a server: a program that starts a shell that starts the server, which is deaf."""
    server = f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep({left()})"
    os.execv("/bin/sh", ["sh", "-c", '"$0" -c "$1" & wait', sys.executable, server])


def bomb():
    """Forks as fast as it can, and so do its children."""
    forks = mmap.mmap(-1, 8)
    while left() and int.from_bytes(forks[:8], "little") < BOMB:
        try:
            os.fork()
            forks[:8] = (int.from_bytes(forks[:8], "little") + 1).to_bytes(8, "little")
        except OSError:
            pass
    forever()


LIVES = {
    "daemon": daemon,
    "fork-for-ever": fork_for_ever,
    "stopped": stopped,
    "deaf": lambda: (deaf(), forever()),
    "wrapped": wrapped,
    "bomb": bomb,
}

for word in sys.argv[1:]:
    child(LIVES[word])
forever()
