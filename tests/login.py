"""Away from the SSH login that this was started by: what `postern activate` asks for, it looks for in
the processes above it, and tests have logins of their own."""

import os
import signal
import sys
from pathlib import Path

VARIABLES = {name for name in os.environ if name.startswith("SSH_")}
PIPE = "POSTERN_TEST_STATUS"  # descriptor by which the process below tells how it ended


def is_below_one():
    pid = os.getpid()
    try:
        while pid > 1:
            if b"SSH_CONNECTION=" in Path(f"/proc/{pid}/environ").read_bytes():
                return True
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        pass  # what we may not read, the tool in our tests may not either
    return False


def start_again(write):
    """As a process that nobody above has started."""
    if os.fork() > 0:
        os._exit(0)
    os.write(write, os.getpid().to_bytes(4, "little"))
    os.set_inheritable(write, True)
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment[PIPE] = str(write)
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def leave():
    """Goes on in another process where it must, whose exit status is this one's."""
    if PIPE in os.environ or not is_below_one():
        return
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.close(read)
        start_again(write)
    os.close(write)
    os.waitpid(child, 0)
    other = int.from_bytes(os.read(read, 4), "little")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _: os.kill(other, caught))
    status = os.read(read, 1)
    sys.exit(status[0] if status else 1)


def end(status):
    if PIPE in os.environ:
        os.write(int(os.environ[PIPE]), bytes([status]))
    sys.exit(status)
