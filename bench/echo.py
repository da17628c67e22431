"""postern-echoip on loopback with connections that are kept alive, beside the same HTTP library with
one fixed answer (echoip_floor.c)."""

import re
import subprocess
import tempfile
import time

from measure import BUILD, cpu_ns, program, row

CONNECTIONS, SECONDS = 32, 4


def load(pid, port):
    """Requests a second, and microseconds of processor time of the service for each."""
    before = cpu_ns(pid)
    text = subprocess.run([program("bench-http-load"), port, str(CONNECTIONS), str(SECONDS)],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    count, seconds = map(float, text.split())
    return count / seconds, (cpu_ns(pid) - before) / 1000 / count


def measure(command, port_in, output):
    """Starts a service, which tells its port in a line of `output`, and ends it."""
    with tempfile.TemporaryFile() as said:
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, output: said}
        process = subprocess.Popen(command, **streams)
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                said.seek(0)
                found = re.search(port_in, said.read().decode())
                if found:
                    return load(process.pid, found.group(1))
                time.sleep(0.01)
            raise RuntimeError(f"{command[0]} does not start")
        finally:
            process.kill()
            process.wait()


def report():
    print("\nEcho-IP over HTTP on loopback, one thread")
    if not program("bench-http-load").exists():
        row("requests a second", "not built")
        return
    bare, bare_us = measure([program("bench-echoip-floor")], r"(\d+)\n", "stdout")
    rate, us = measure([BUILD / "postern-echoip", "--bind", "127.0.0.1", "--port", "0",
                        "--per-address", str(CONNECTIONS)],
                       r"(?s)port=(\d+).*ready", "stderr")
    row("the library with one fixed answer", f"{bare:,.0f} /s", "", f"{bare_us:.1f} us each")
    row("postern-echoip, requests a second", f"{rate:,.0f} /s", "10,000", f"{us:.1f} us each",
        rate >= 10000)
