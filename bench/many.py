"""The curve: load, reload, memory and knocks against the number of clients."""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import time

from measure import apart, cpu_ns, program, proportional_kib, row, values

import control
import openme
from crowd import ClientsInFile, ClientsInFolder, client_key, public_keys
from daemon import BUILD, Daemon
from flood import Forger
from netns import add_address, eventually, run
from world import KNOCK_PORT, SERVICE_PORT

SIZES = (1, 10, 100, 1000, 10_000)  # more when asked for, --sizes
FILES_MOST = 100_000  # in clients.d: a million of them take longer to write than to measure
SURE = 1000  # clients, from which on a ratio means something
SHARED = 10_000  # and from which on pages that all share do not count much
ROUNDS = 3
SAMPLES = 100
UNCHANGED = 2.5  # seconds, after which an index takes a file
PAUSE = 0.005  # between two knocks while a reload goes on
LEAST = 20  # knocks, however quick it is
STRANGER = "10.77.1.250"
PATIENCE = 900
HINTED, HINTED_RATE = 2000, 1000  # knocks with a lookup hint, and so many a second
HINTED_SOURCE = "10.160.0.1"
SOON = 0.2  # seconds, in which a knock with a hint is granted when its key is ready
HINTS_READY = 180  # seconds, that a daemon may take to make the keys of all hints
FLAT = 1.1  # times what it costs with one client


class Spent:
    """A program that runs to its end: seconds by the clock and of processor time."""

    def __init__(self, *command):
        begin = time.monotonic()
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{command}: exit {process.returncode}"
        self.seconds = time.monotonic() - begin
        self.cpu = usage.ru_utime + usage.ru_stime


def granted(daemon):
    return control.stats(daemon.control)["granted"]


class Curve:
    """Daemons with more and more clients in the namespaces of `world`. The first client is the one
    that knocks; where it stands plays no part once its address is known."""

    def __init__(self, world, folder, keys):
        self.world, self.folder, self.keys = world, folder, keys
        self.targets = 0
        self.daemons = {}
        self.settled = {}  # how often a daemon has told that all hints are ready
        folder.mkdir(mode=0o755)
        add_address(world.client, "wire", STRANGER, 24)

    def configuration(self):
        configuration = self.world.configuration()
        del configuration["clients"]
        configuration["server"].update(client_quota=65536, knock_timeout="1h")
        return configuration

    def prepare(self, count):
        """All files, some time before they are used: an index takes none that has just changed."""
        daemon = Daemon(self.world.server, self.folder / f"daemon-{count}", "")
        ClientsInFile(daemon.folder).write(self.configuration(), self.keys[:count])
        self.daemons[count] = daemon
        if count <= FILES_MOST:
            folder = self.folder / f"files-{count}"
            folder.mkdir(mode=0o755)
            (folder / "state").mkdir(mode=0o700)
            ClientsInFolder(folder).write(self.configuration(), self.keys[:count])

    def check(self, file, state):
        return Spent(BUILD / "posternd", "-c", file, "--state-dir", state, "--check")

    def vet_seconds(self, count):
        """Of processor time, for all keys."""
        text = subprocess.run([program("bench-vet")], input="\n".join(self.keys[:count]) + "\n",
                              text=True, check=True, stdout=subprocess.PIPE).stdout
        return values(text)["vet"] * count / 1e6

    def load(self, count, start_cpu):
        """Turn by turn with the floor. A first start comes before an index."""
        loads, ratios, vets = [], [], []
        for _ in range(ROUNDS if count <= max(SIZES) else 1):
            vets.append(self.vet_seconds(count))
            loads.append(self.check(self.daemons[count].file, self.folder / "no-state"))
            ratios.append((loads[-1].cpu - start_cpu) / vets[-1])
        middle = sorted(loads, key=lambda load: load.seconds)[len(loads) // 2]
        return {"vet": statistics.median(vets), "load": middle.seconds, "load_cpu": middle.cpu,
                "ratio": statistics.median(ratios),
                **self.start_anew(count)}

    def start(self, daemon):
        begin = time.monotonic()
        daemon.start(ready=False)
        assert daemon.notices.wait_for("READY=1", daemon.process, PATIENCE), "no start"
        daemon.note_processes()
        return time.monotonic() - begin

    def start_anew(self, count):
        """A first start, and what an index makes of the next one."""
        daemon = self.daemons[count]
        first = self.start(daemon)
        daemon.stop()
        self.settled[daemon] = self.hints_ready(daemon)
        return {"first_start": first, "indexed": self.indexed(daemon.folder),
                "start": self.start_and_settle(daemon)}

    def start_and_settle(self, daemon):
        seconds = self.start(daemon)
        self.settle(daemon)
        return seconds

    def hints_ready(self, daemon):
        """How often the daemon has told that the keys of all hints are made."""
        return daemon.log_path.read_bytes().count(b"ready for hints of")

    def settle(self, daemon):
        """Until they are, which goes on beside knocks after each change of the configuration, and
        until then keeps the one before in memory: nothing of it is left over for what is measured
        next."""
        before = self.settled.get(daemon, 0)
        assert eventually(lambda: self.hints_ready(daemon) > before, HINTS_READY), "no hints"
        self.settled[daemon] = self.hints_ready(daemon)

    def load_folder(self, count):
        """From clients.d, without an index and with one."""
        folder = self.folder / f"files-{count}"
        if not folder.exists():
            return {}
        (folder / "state/used").touch()  # a fresh folder is given no index
        bare = self.check(folder / "config.yaml", self.folder / "no-state").seconds
        return {"folder": bare, "folder_indexed": self.indexed(folder)}

    def indexed(self, folder):
        file, state = folder / "config.yaml", folder / "state"
        Spent(BUILD / "postern", "--config", file, "index", "--state-dir", state)
        return self.check(file, state).seconds

    def live(self, count):
        daemon = self.daemons[count]
        found = {"known": self.latency(daemon)}
        found["reload"] = statistics.median(self.reload(daemon) for _ in range(ROUNDS))
        found["wait"] = self.longest_wait(daemon)
        daemon.note_processes()  # some do a piece of work and end
        found["bytes"] = 1024 * proportional_kib(daemon.living())
        found["hinted"] = self.hinted_us(daemon, count)
        found["unknown"], found["verdict"] = self.first_knock(daemon, count - 1)
        return found

    def generator(self, count, *options):
        return [program("bench-load"), "--server-key", openme.text(self.world.server_key.public),
                "--first", count - 1, "--hint", *options]

    def knows_hints(self, daemon, count):
        """Whether a hinted knock of the last client, from a new address, is found at once; waits
        for keys that are being made."""
        packet = self.folder / "hinted"
        forger = Forger(self.world.client, self.world.server_address, KNOCK_PORT)
        sources = (f"10.150.{i // 250}.{1 + i % 250}" for i in range(65536))

        def found():
            run(*self.generator(count, "--count", 1, "--write", packet, "valid"))
            before = granted(daemon)
            forger.send(packet.read_bytes(), next(sources))
            return eventually(lambda: granted(daemon) > before, SOON)
        try:
            return eventually(found, HINTS_READY if count >= SHARED else SOON)
        finally:
            forger.close()

    def hinted_us(self, daemon, count):
        """Processor time of all processes for a knock with a hint, of the client that stands last,
        each from a new address; None where the daemon does not know hints."""
        if not self.knows_hints(daemon, count):
            return None
        before = granted(daemon)
        spent = sum(map(cpu_ns, daemon.living()))
        self.world.client.run(
            *self.generator(count, "--rate", HINTED_RATE, "--seconds", HINTED / HINTED_RATE,
                            "--source", HINTED_SOURCE, "--sources", HINTED, "valid"),
            self.world.server_address, KNOCK_PORT)
        if not eventually(lambda: granted(daemon) >= before + HINTED, 2):
            return None
        return (sum(map(cpu_ns, daemon.living())) - spent) / HINTED / 1000

    def done(self, count):
        self.daemons[count].close()
        self.world.server.run("nft", "flush", "ruleset")
        for name in ("daemon", "files"):
            shutil.rmtree(self.folder / f"{name}-{count}", ignore_errors=True)

    def packet(self, number=0):
        """A knock, each for another address."""
        self.targets += 1
        target = f"203.0.{self.targets // 256}.{self.targets % 256}"
        return openme.knock(client_key(number), self.world.server_key.public, target=target)

    def socket(self, source):
        s = self.world.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((source, 0))
        s.connect((self.world.server_address, KNOCK_PORT))
        return s

    def knock(self, source, number=0):
        with self.socket(source) as s:
            s.send(self.packet(number))

    def latency(self, daemon):
        """From knock to connection, in microseconds, of a client that is known at its addresses."""
        sources = self.world.sources[:SAMPLES]
        for source in sources:
            before = granted(daemon)
            self.knock(source)
            assert eventually(lambda n=before: granted(daemon) > n), "a knock was lost"
        files = self.folder / "sources", self.folder / "packets"
        files[0].write_text("\n".join(sources) + "\n")
        files[1].write_bytes(b"".join(self.world.knocks(client_key(0), SAMPLES)))
        with apart(daemon.living()):
            text = self.world.client.run(
                program("bench-latency"), self.world.server_address, KNOCK_PORT,
                SERVICE_PORT, *files, openme.PACKET_BYTES)
        return statistics.median(map(float, text.split()))

    def reload(self, daemon):
        daemon.notices.drop()
        begin = time.monotonic()
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.notices.wait_for("READY=1", daemon.process, PATIENCE), "no reload"
        seconds = time.monotonic() - begin
        self.settle(daemon)
        return seconds

    def longest_wait(self, daemon):
        """Of knocks that are sent one by one while a reload goes on, from `sendto` until the
        daemon's counters tell of the grant."""
        waits, ready = [], False
        daemon.notices.drop()
        with self.socket(self.world.sources[0]) as s:
            daemon.process.send_signal(signal.SIGHUP)
            while not ready or len(waits) < LEAST:
                ready = daemon.notices.has_come("READY=1") or ready
                packet, before = self.packet(), granted(daemon)
                begin = time.monotonic()
                s.send(packet)
                assert eventually(lambda n=before: granted(daemon) > n), "a knock was lost"
                waits.append(time.monotonic() - begin)
                time.sleep(PAUSE)
        self.settle(daemon)
        return max(waits)

    def first_knock(self, daemon, number):
        """Of a client that is not known at its address, so that all keys are tried: seconds until
        the verdict, and which."""
        before = control.stats(daemon.control)
        begin = time.monotonic()
        self.knock(STRANGER, number)

        def verdict():
            now = control.stats(daemon.control)
            return next((name for name in ("granted", "stale", "busy", "unknown_signer")
                         if now[name] > before[name]), None)
        found = eventually(verdict, PATIENCE)
        return time.monotonic() - begin, found


def measured(world, folder, sizes):
    """What was found, by number of clients; 1 is always among them, for the differences."""
    sizes = sorted({1, *sizes})
    curve = Curve(world, folder, public_keys(max(sizes)))
    start_cpu = 0
    for count in sizes:
        curve.prepare(count)
    time.sleep(UNCHANGED)
    for count in sizes:
        try:
            one = curve.load(count, start_cpu)
            one.update(curve.live(count))
            one.update(curve.load_folder(count))
        finally:
            curve.done(count)
        if count == 1:
            start_cpu = one["load_cpu"]
        yield count, one


def time_text(seconds):
    if seconds is None:
        return "-"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


COLUMNS = ("vetting", "load", "indexed", "files", "indexed", "start", "reload",
           "longest", "each", "known", "hinted", "unknown")


def print_line(cells):
    print("  " + " ".join(f"{cell:>9}" for cell in cells), flush=True)


def print_one(count, one, each):
    print_line([f"{count:,}", time_text(one["vet"]), time_text(one["load"]),
                *map(time_text, (one["indexed"], one.get("folder"), one.get("folder_indexed"))),
                time_text(one["start"]), time_text(one["reload"]), time_text(one["wait"]),
                f"{each:.0f} B" if each is not None else "-", time_text(one["known"] / 1e6),
                f"{one['hinted']:.0f} us" if one["hinted"] else "-",
                time_text(one["unknown"]) if one["verdict"] == "granted" else one["verdict"]])


def report(world, folder, sizes=SIZES):
    print("\nThe curve; its columns stand in bench/README.md")
    print_line(("clients", *COLUMNS))
    found = {}
    for count, one in measured(world, folder, sizes):
        found[count] = one
        one["each"] = ((one["bytes"] - found[1]["bytes"]) / count if count >= SURE else None)
        print_one(count, one, one["each"])
    judge(found)
    return found


def judge(found):
    large = {count: one for count, one in found.items() if count >= SURE}
    for count, one in large.items():
        row(f"load of {count:,}, beside vetting their keys", time_text(one["load"]),
            "at most 1.3 x floor", f"{one['ratio']:.2f} x floor", one["ratio"] <= 1.3)
    for count, most in ((100_000, 1), (1_000_000, 10)):
        if count in found:
            row(f"load of {count:,} with an index", time_text(found[count]["indexed"]),
                f"under {most} s", "", found[count]["indexed"] < most)
    largest = max(found)
    if found[largest]["hinted"] and found[1]["hinted"]:
        ratio = found[largest]["hinted"] / found[1]["hinted"]
        row(f"processor time with a hint, {largest:,} beside 1",
            f"{found[largest]['hinted']:.0f} us",
            f"at most {FLAT} x", f"{ratio:.2f} x", ratio <= FLAT)
    for count, one in ((count, one) for count, one in found.items() if count >= SHARED):
        row(f"memory (PSS) of each of {count:,}", f"{one['each']:.0f} B", "at most 400 B", "",
            one["each"] <= 400)
