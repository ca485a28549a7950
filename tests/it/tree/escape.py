# A server whose children do what they can to outlive it. Every process of it has the environment of the first one.
# Usage: escape.py [WORD...]; the first process ends on SIGTERM like most programs do.
import os
import signal
import sys
import time


def deaf():
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)


def forever():
    while True:
        time.sleep(1000)


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
    while True:
        if os.fork():
            os._exit(0)
        os.setsid()
        time.sleep(0.001)


def stopped():
    os.setsid()
    os.kill(os.getpid(), signal.SIGSTOP)
    forever()


def wrapped():
    """As `npx` starts a server: a program that starts a shell that starts the server, which is deaf."""
    server = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
    os.execv("/bin/sh", ["sh", "-c", '"$0" -c "$1" & wait', sys.executable, server])


def bomb():
    """Forks as fast as it can, and so do its children."""
    while True:
        try:
            os.fork()
        except OSError:
            pass


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
