"""OpenSPA: from request to first connection, processor time for each request, and what a resident
helper adds, beside the bare RSA operations."""

import shutil
import socket
import statistics
import time
from contextlib import ExitStack

from measure import apart, HERE, cpu_ns, program, row, values

import openspa
from daemon import Daemon
from netns import eventually

PORT, SERVICE_PORT = 22211, 22  # what pkg/examples/scripts/helper.py allows
REQUESTS = 500  # in each of
ROUNDS = 7  # to take the median of, with the bare calls between them
PER_SECOND = 1000  # of all sources; one source may have 50
BARE_ROUNDS = 400
TURNS = 3  # of each configuration, with and without helpers
EXAMPLES = HERE.parent / "pkg/examples/scripts"


class SpaBench:
    """Daemons with one device, in the namespaces of `world`, one after the other."""

    def __init__(self, world, folder):
        self.world = world
        self.folder = folder
        self.server_key = openspa.Key()
        self.device = openspa.Device()
        self.daemon = None
        folder.mkdir(mode=0o755)
        self.files = {"server.key": self.server_key.private_pem(),
                      "server.pub": self.server_key.public_pem(),
                      "device.key": self.device.key.private_pem(),
                      f"devices.d/{self.device.uuid}.pub": self.device.key.public_pem(),
                      f"helper/keys/{self.device.uuid}.pub": self.device.key.public_pem()}
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o644 if name.endswith(".pub") else 0o600)
        shutil.copy(EXAMPLES / "helper.py", folder / "helper/helper.py")

    def start(self, **settings):
        self.close()
        configuration = {"server": {"guard": "all", "client_quota": 1000, "shutdown": "remove"},
                         "openspa": {"private_key": self.folder / "server.key", "port": PORT,
                                     "devices": self.folder / "devices.d", **settings}}
        self.daemon = Daemon(self.world.server, self.folder / "daemon", configuration)
        self.daemon.start()

    def close(self):
        if self.daemon:
            self.daemon.close()
            shutil.rmtree(self.folder / "daemon")
        self.daemon = None

    def packets(self, count, *target):
        """`count` requests, one after the other."""
        path = self.folder / "packets"
        with open(path, "wb") as to:
            maker = self.world.client.popen(
                program("bench-requests"), self.folder / "device.key", self.device.uuid.hex,
                self.folder / "server.pub", SERVICE_PORT, count, *target, stdout=to)
            assert maker.wait() == 0
        return path

    def latency_us(self):
        packets = self.packets(len(self.world.sources))
        with apart(self.daemon.living()):
            text = self.world.client.run(
                program("bench-latency"), self.world.server_address, PORT, SERVICE_PORT,
                self.world.sources_file, packets, openspa.REQUEST_BYTES)
        return sorted(map(float, text.split()))

    def cpu_us(self):
        """Rounds of what a request cost: processor time of each role, and of the bare calls."""
        size = openspa.REQUEST_BYTES
        data = self.packets(REQUESTS * ROUNDS).read_bytes()
        packets = [data[at:at + size] for at in range(0, len(data), size)]
        with ExitStack() as stack:
            sockets = [stack.enter_context(self._socket(source)) for source in self.world.sources]
            return [(self._spent(sockets, packets[at:at + REQUESTS]), self.bare_us())
                    for at in range(0, len(packets), REQUESTS)]

    def _spent(self, sockets, packets):
        """For each packet that is answered; on a busy machine one or the other may be lost."""
        roles = self.daemon.roles()
        answers = 0
        before = {role: cpu_ns(pid) for role, pid in roles.items()}
        begin = time.monotonic()
        for i, packet in enumerate(packets):
            sockets[i % len(sockets)].send(packet)
            wait = begin + (i + 1) / PER_SECOND - time.monotonic()
            if wait > 0:
                time.sleep(wait)

        def all_answered():
            nonlocal answers
            answers += sum(map(waiting, sockets))
            return answers == len(packets)
        eventually(all_answered, within=1)
        assert answers >= 0.95 * len(packets), f"{answers} of {len(packets)} were answered"
        return {role: (cpu_ns(pid) - before[role]) / 1000 / answers
                for role, pid in roles.items()}

    def bare_us(self):
        return values(self.world.server.run(program("bench-openspa"), BARE_ROUNDS))

    def _socket(self, source):
        s = self.world.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((source, 0))
        s.connect((self.world.server_address, PORT))
        s.setblocking(False)
        return s


def waiting(s):
    """How many datagrams have arrived there."""
    count = 0
    try:
        while len(s.recv(2048)) == openspa.RESPONSE_BYTES:
            count += 1
    except BlockingIOError:
        pass
    return count


RSA = tuple(f"rsa_2048_{name}" for name in ("private", "sign", "verify"))


def three(bare):
    return sum(bare[name] for name in RSA)


def report_floor(bare, way):
    print("\nThe floor of OpenSPA")
    row("RSA-2048: private operation, sign, verify", " + ".join(f"{bare[n]:.0f}" for n in RSA))
    row("processor time, together", f"{three(bare):.0f} us")
    row("without signing; netlink, two wake-ups, connect", f"{way:.0f} us")
    row("seal, signature and answer in one process", f"{bare['openspa_request']:.0f} us", "",
        f"{bare['openspa_ratio']:.2f} x floor")


def report_helpers(bench):
    """Turn by turn, so that what else the machine does meets all of them, and the lowest median of
    each, which it has met least."""
    helper = bench.folder / "helper/helper.py"
    ways = ({"duration": "5m"},
            {"helpers": {"authorization": helper}},
            {"helpers": {"authorization": helper, "user_directory_service": helper}})
    medians = [[] for _ in ways]
    for _ in range(TURNS):
        for way, found in zip(ways, medians):
            bench.start(**way)
            time.sleep(0.5)  # the helper's interpreter is starting
            found.append(statistics.median(bench.latency_us()))
    native, one, two = map(min, medians)
    print("\nA resident helper, pkg/examples/scripts/helper.py, from request to connect")
    row("native", f"{native / 1000:.3f} ms")
    row("asked for how long", f"{one / 1000:.3f} ms", "adds under 0.2 ms",
        f"{(one - native) / 1000:+.3f} ms", one - native < 200)
    row("asked for the key before that, too", f"{two / 1000:.3f} ms", "0.2 ms more",
        f"{(two - one) / 1000:+.3f} ms", two - one < 200)


def report(world, folder, floor):
    """`floor` has the other bare calls, in microseconds."""
    bench = SpaBench(world, folder)
    try:
        bare = bench.bare_us()
        # The port is open before the answer is signed.
        way = (three(bare) - bare["rsa_2048_sign"] + floor["netlink"] + 2 * floor["hop"] +
               floor["connect"])
        report_floor(bare, way)
        bench.start(duration="5m")
        times = bench.latency_us()
        bench.start(duration="5m")  # anew: the next requests are dated before the last ones
        rounds = bench.cpu_us()
        ratio = statistics.median(sum(spent.values()) / three(bare) for spent, bare in rounds)
        shares = {role: statistics.median(spent[role] for spent, _ in rounds)
                  for role in rounds[0][0]}
        median = statistics.median(times)
        print(f"\nOpenSPA, {len(bench.daemon.pids)} processes; keys, rules and nftables our own")
        row("request to first accepted connect, median", f"{median / 1000:.3f} ms",
            "under 1.5 ms", f"{median / way:.2f} x floor", median < 1500)
        row("  the slowest of twenty", f"{times[len(times) * 95 // 100] / 1000:.3f} ms")
        row("processor time per valid request", f"{sum(shares.values()):.0f} us",
            "at most 1.4 x floor", f"{ratio:.2f} x floor", ratio <= 1.4)
        row("  " + ", ".join(f"{role} {us:.0f} us" for role, us in shares.items()), "")
        report_helpers(bench)
    finally:
        bench.close()
