"""postern-echoip over loopback: its answers, its limits, its life as a service."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import warnings
from pathlib import Path

BUILD = Path(os.environ.get("POSTERN_BUILD", Path(__file__).parents[2] / "build"))
PROGRAM = BUILD / "postern-echoip"
PATIENT = 40  # seconds to wait for what must happen
ROOT = os.geteuid() == 0


def setUpModule():
    if not PROGRAM.is_file():
        raise unittest.SkipTest("built without postern-echoip")


def make_certificate(folder):
    """A self-signed certificate for this host's loopback addresses, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,IP:::1",
         "-keyout", key, "-out", cert], check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


class Service:
    """postern-echoip on free ports, stopped at the end of the `with`."""

    def __init__(self, *options, command=None, **popen):
        self.log = tempfile.TemporaryFile()
        self.errors = tempfile.TemporaryFile()
        self.links = []
        popen = {"stdout": self.log, "stderr": self.errors} | popen
        command = command or [PROGRAM, "--port", "0", "--https-port", "0", *map(str, options)]
        self.process = subprocess.Popen(command, **popen)
        self.ports = {}

    def __enter__(self):
        self.wait_for("echoip: ready")
        for scheme, port in re.findall(r"scheme=(\w+) .*port=(\d+)", self.said()):
            self.ports.setdefault(scheme, int(port))
        return self

    def __exit__(self, *_):
        for link in self.links:
            link.close()
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.errors.close()

    def said(self):
        """Standard error so far. Read by position, for the service writes through the same one."""
        return self._all(self.errors)

    def logged(self):
        """The access log so far, as lines."""
        return self._all(self.log).splitlines()

    def log_line(self, words):
        """The first line of the access log with `words`; it is written after the answer."""
        end = time.monotonic() + PATIENT
        while time.monotonic() < end:
            for line in self.logged():
                if words in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"{words!r} was never logged")

    @staticmethod
    def _all(file):
        return os.pread(file.fileno(), 1 << 24, 0).decode()

    def wait_for(self, words):
        end = time.monotonic() + PATIENT
        while words not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"never said {words!r}: {self.said()}")
            time.sleep(0.01)

    def connect(self, host="127.0.0.1", scheme="http"):
        link = socket.create_connection((host, self.ports[scheme]), timeout=PATIENT)
        self.links.append(link)
        return link

    def ask(self, path="/", method="GET", host="127.0.0.1", body=None, headers=None, tls=None):
        """One request; the response (closed) and its body."""
        if tls is None:
            link = http.client.HTTPConnection(host, self.ports["http"], timeout=PATIENT)
        else:
            link = http.client.HTTPSConnection(host, self.ports["https"], timeout=PATIENT,
                                               context=tls)
        link.request(method, path, body, headers or {})
        response = link.getresponse()
        text = response.read()
        link.close()
        return response, text

    def ask_raw(self, *headers):
        """The JSON for a GET with just these header lines."""
        with self.connect() as link:
            lines = ["GET / HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
            link.sendall("\r\n".join(lines).encode())
            return json.loads(read_all(link).split(b"\r\n\r\n", 1)[1])


def read_all(link):
    """Everything until the far end closes, orderly or not."""
    data = b""
    try:
        while piece := link.recv(65536):
            data += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    return data


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.cert, key = make_certificate(Path(cls.folder.name))
        cls.tls = ssl.create_default_context(cafile=cls.cert)
        cls.service = Service("--cert", cls.cert, "--key", key).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()
        cls.folder.cleanup()

    def check_address(self, response, text, ip, is_ipv6):
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "application/json")
        answer = json.loads(text)
        self.assertEqual(list(answer), ["success", "ip", "isIpv6", "datetime", "ipDetails",
                                        "service", "version", "srcUrl"])
        self.assertIs(answer["success"], True)
        self.assertEqual(answer["ip"], ip)
        self.assertIs(answer["isIpv6"], is_ipv6)
        self.assertRegex(answer["datetime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(answer["ipDetails"], {"remoteIP": ip, "forwardedForIP": ""})
        self.assertEqual(answer["service"], "echo-ip")

    def test_ipv4(self):
        self.check_address(*self.service.ask(), "127.0.0.1", False)

    def test_ipv6(self):
        self.check_address(*self.service.ask(host="::1"), "::1", True)

    def test_https_on_both_families(self):
        self.check_address(*self.service.ask(tls=self.tls), "127.0.0.1", False)
        self.check_address(*self.service.ask(host="::1", tls=self.tls), "::1", True)

    def test_old_tls_is_refused(self):
        old = ssl.create_default_context(cafile=self.cert)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            self.service.ask(tls=old)

    def test_post_and_query(self):
        self.check_address(*self.service.ask(method="POST", body=b"x" * 1000), "127.0.0.1", False)
        self.check_address(*self.service.ask("/?a=b"), "127.0.0.1", False)

    def test_head_is_get_without_a_body(self):
        response, text = self.service.ask(method="HEAD")
        self.assertEqual((response.status, text), (200, b""))
        self.assertGreater(int(response.headers["Content-Length"]), 0)

    def test_health(self):
        response, text = self.service.ask("/health")
        answer = json.loads(text)
        self.assertEqual(response.status, 200)
        self.assertEqual(list(answer), ["success", "health", "datetime"])
        self.assertEqual((answer["success"], answer["health"]), (True, "healthy"))

    def test_elsewhere_is_nothing(self):
        for path in ("/index.html", "//", "/health/", "/../etc/passwd", "/%00"):
            response, text = self.service.ask(path)
            answer = json.loads(text)
            self.assertEqual(response.status, 404, path)
            self.assertEqual(list(answer), ["success", "error", "datetime"])
            self.assertEqual((answer["success"], answer["error"]), (False, "404 - Not Found"))
            self.assertEqual(response.headers["Content-Type"], "application/json")

    def test_other_methods(self):
        for method in ("PUT", "DELETE", "OPTIONS", "BREW"):
            response, text = self.service.ask(method=method)
            self.assertEqual(response.status, 405, method)
            self.assertEqual(response.headers["Allow"], "GET, HEAD, POST")
            self.assertIs(json.loads(text)["success"], False)

    def test_a_connection_serves_again_and_again(self):
        link = http.client.HTTPConnection("127.0.0.1", self.service.ports["http"], timeout=PATIENT)
        for _ in range(100):
            link.request("GET", "/")
            self.assertEqual(link.getresponse().read().count(b"127.0.0.1"), 2)
        link.close()

    def test_nobody_is_believed_by_default(self):
        answer = self.service.ask_raw("X-Forwarded-For: 203.0.113.5")
        self.assertEqual(answer["ip"], "127.0.0.1")
        self.assertEqual(answer["ipDetails"]["forwardedForIP"], "")

    def test_the_log_is_common_and_cannot_be_forged(self):
        target = '/log"%0a%22\\\x1b[31m\xff'
        with self.service.connect() as link:
            link.sendall(b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\n"
                         b"Host: x\r\nConnection: close\r\n\r\n")
            read_all(link)
        line = self.service.log_line("/log")
        self.assertRegex(line, r'^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d '
                         r'\+0000\] "GET .* HTTP/1\.1" 404 \d+$')
        self.assertIn(r'/log\"%0a%22\\\x1b[31m\xff HTTP/1.1', line)

    @unittest.skipUnless(ROOT, "was not started as root")
    def test_root_is_given_up(self):
        status = Path(f"/proc/{self.service.process.pid}/status").read_text()
        values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.assertNotIn("0", values["Uid"].split())
        self.assertNotIn("0", values["Gid"].split())
        self.assertEqual(values["Groups"].strip(), "")
        for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(values[which], 16), 0, which)
        self.assertEqual(values["NoNewPrivs"], "1")
        if "sanitizer" not in self.service.said():
            self.assertEqual(values["Seccomp"], "2")


class TrustedProxy(unittest.TestCase):
    def test_who_is_named(self):
        with Service("--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "10.0.0.0/8") as service:
            for lines, ip in (
                    (["203.0.113.5"], "203.0.113.5"),
                    (["6.6.6.6, 203.0.113.5, 10.1.1.1"], "203.0.113.5"),
                    (["6.6.6.6", "2001:db8::7"], "2001:db8::7"),
                    (["6.6.6.6, nonsense"], "127.0.0.1"),
                    ([], "127.0.0.1")):
                answer = service.ask_raw(*[f"X-Forwarded-For: {line}" for line in lines])
                self.assertEqual(answer["ip"], ip, lines)
                self.assertIs(answer["isIpv6"], ":" in ip)
                self.assertEqual(answer["ipDetails"]["remoteIP"], "127.0.0.1")
                self.assertEqual(answer["ipDetails"]["forwardedForIP"],
                                 "" if ip == "127.0.0.1" else ip)
            self.assertTrue(service.log_line("GET /").startswith("203.0.113.5 - - ["))


class Limits(unittest.TestCase):
    def is_served(self, link):
        try:
            link.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            return b"200 OK" in link.recv(4096)
        except ConnectionError:
            return False

    def test_connections_of_one_address(self):
        with Service("--per-address", 3) as service:
            links = [service.connect() for _ in range(3)]
            self.assertTrue(all(map(self.is_served, links)))
            self.assertFalse(self.is_served(service.connect()))
            other = service.connect("::1")
            self.assertTrue(self.is_served(other))
            links.pop().close()
            self.wait_until_served(service)

    def wait_until_served(self, service):
        end = time.monotonic() + PATIENT
        while time.monotonic() < end:
            with service.connect() as link:
                if self.is_served(link):
                    return
        self.fail("no place became free")

    def test_a_trusted_proxy_may_have_more(self):
        with Service("--per-address", 2, "--trusted-proxy", "127.0.0.1") as service:
            links = [service.connect() for _ in range(8)]
            self.assertTrue(all(map(self.is_served, links)))

    def test_connections_in_all(self):
        """The limit is one for all listeners together."""
        with Service("--max-connections", 4, "--bind", "127.0.0.1", "--bind", "::1") as service:
            six = int(re.search(r"address=::1 port=(\d+)", service.said())[1])
            four = int(re.search(r"address=127.0.0.1 port=(\d+)", service.said())[1])
            service.ports["http"] = six
            links = [service.connect("::1") for _ in range(2)]
            service.ports["http"] = four
            links += [service.connect() for _ in range(2)]
            self.assertTrue(all(map(self.is_served, links)))
            self.assertFalse(self.is_served(service.connect()))
            for link in links:
                link.close()
            self.wait_until_served(service)

    def test_who_leaves_in_the_midst_gives_up_the_place(self):
        """Long before its time would be up, or many would be refused."""
        with Service("--per-address", 4) as service:
            refused = 0
            for _ in range(40):
                with socket.create_connection(("127.0.0.1", service.ports["http"])) as link:
                    link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
            while not self.is_served(service.connect()):
                refused += 1
                self.assertLess(refused, 80)
                time.sleep(0.1)

    def test_large_headers(self):
        with Service() as service, service.connect() as link:
            link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000)
            answer = read_all(link)
            self.assertNotIn(b"200 OK", answer)
            self.assertTrue(self.is_served(service.connect()))

    def test_lines_as_proxies_write_them(self):
        with Service("--trusted-proxy", "127.0.0.0/8") as service:
            for lines in (b"GET / HTTP/1.0\r\n", b"GET /?a=b HTTP/1.0\r\nHost: x\r\n",
                          b"GET / HTTP/1.0\r\nHost:x\r\nA:  b\r\nB:\r\n"):
                with self.subTest(lines=lines), service.connect() as link:
                    link.sendall(lines + b"\r\n")
                    self.assertIn(b" 200 ", read_all(link).splitlines()[0])

    def test_what_a_proxy_could_read_in_another_way(self):
        """One answer, and the connection is over: no second request hides in a body."""
        hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
        with Service("--trusted-proxy", "127.0.0.0/8") as service:
            for lines, body in (
                    (b"Content-Length: 4\r\nContent-Length: 39", b"0000"),
                    (b"Content-Length: 4\r\nContent-Length: 4", b"0000"),
                    (b"Content-Length: 39\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
                    (b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
                    (b"Content-Length : 4", b"0000"),
                    (b"X-Forwarded-For: 203.0.113.5\0, 198.51.100.1", b""),
                    (b"X-Forwarded-For: 203.0.113.5\0, 198.51.100.1\r\nA:b", b""),
                    (b"A:b\r\nA:b\r\nX-Forwarded-For: 203.0.113.5\0 6", b""),
                    (b"A: b\nA: b\nX-Forwarded-For: 203.0.113.5\0 6", b"")):
                with self.subTest(lines=lines), service.connect() as link:
                    link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n"
                                 + body + hidden)
                    answer = read_all(link)
                    self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
                    self.assertIn(b" 400 ", answer.splitlines()[0])
                    self.assertNotIn(b"203.0.113.5", answer)
                    self.assertNotIn("/hidden", service.said())

    def test_an_announced_large_body(self):
        with Service() as service, service.connect() as link:
            link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16385\r\n\r\n")
            head, text = read_all(link).split(b"\r\n\r\n", 1)
            self.assertIn(b" 413 ", head.splitlines()[0])
            self.assertIs(json.loads(text)["success"], False)

    def test_an_endless_body(self):
        with Service() as service, service.connect() as link:
            link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            sent = 0
            try:
                while sent < 1 << 26:
                    link.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n")
                    sent += 4096
            except ConnectionError:
                pass
            self.assertLess(sent, 1 << 26)
            self.assertNotIn(b"200 OK", read_all(link))

    def test_the_slow_are_cut(self):
        """Bytes that trickle in buy no time, wherever in a request; nor does silence."""
        with Service() as service:
            slow = {}
            for start, piece in ((b"", b""), (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
                                 (b"POST / HTTP/1.1\r\nHost: x\r\n"
                                  b"Content-Length: 1000\r\n\r\n", b"x")):
                link = service.connect()
                link.sendall(start)
                link.settimeout(0.3)
                slow[link] = piece
            end = time.monotonic() + PATIENT
            while slow and time.monotonic() < end:
                slow = {link: piece for link, piece in slow.items()
                        if not self.is_cut(link, piece)}
            self.assertEqual(list(slow.values()), [])
            service.log_line('"POST / HTTP/1.1" - -')

    def is_cut(self, link, piece):
        try:
            link.sendall(piece)
            return link.recv(4096) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def test_a_log_that_nobody_reads(self):
        reader, writer = os.pipe()
        with Service(stdout=writer) as service:
            os.close(writer)
            link = service.connect()
            for _ in range(5000):
                link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"200 OK", link.recv(4096))
            self.assertGreater(len(os.read(reader, 1 << 20)), 4096)
            os.set_blocking(reader, False)
            end = time.monotonic() + PATIENT
            while "access log lines lost" not in service.said() and time.monotonic() < end:
                self.assertTrue(self.is_served(link))
                try:
                    os.read(reader, 1 << 20)
                except BlockingIOError:
                    pass
            self.assertRegex(service.said(), r"\d+ access log lines lost")
        os.close(reader)


class Ladder(unittest.TestCase):
    """A kernel without filters of system calls, or a container that withholds them."""

    LAYER = 'layer=seccomp error="Invalid argument"'
    WITHOUT = "going on without a layer of the sandbox that is missing here"

    @staticmethod
    def lacking(what, *options):
        return [BUILD / "tests/system/lacking", what, "--", PROGRAM, "--port", "0", *options]

    def setUp(self):
        with Service() as service:
            if "no sandbox" in service.said():
                self.skipTest("a build with sanitizers has no sandbox")

    def test_strict_refuses(self):
        for what in ("seccomp", "seccomp-call"):
            for options in ((), ("--sandbox", "strict")):
                done = subprocess.run(self.lacking(what, *options), capture_output=True, text=True,
                                      timeout=PATIENT)
                said = [line for line in done.stderr.splitlines() if " error echoip: " in line]
                self.assertEqual((done.returncode, len(said)), (1, 1), done.stderr)
                for words in ("a layer of the sandbox is missing here", self.LAYER,
                              "CONFIG_SECCOMP_FILTER=y", "or --sandbox best"):
                    self.assertIn(words, said[0])

    def test_best_goes_on_and_says_so(self):
        for what in ("seccomp", "seccomp-call"):
            with Service(command=self.lacking(what, "--sandbox", "best")) as service:
                self.assertEqual(service.ask()[0].status, 200)
                said = service.said()
                self.assertIn(f'{self.WITHOUT} {self.LAYER} so="', said)
                self.assertTrue(said.endswith("echoip: ready, without seccomp\n"), said)
                fields = Path(f"/proc/{service.process.pid}/status").read_text()
                for line in ("NoNewPrivs:\t1", "Seccomp_filters:\t1", "CapPrm:\t" + "0" * 16):
                    self.assertIn(f"{line}\n", fields)  # one filter is the test's own

    def test_nothing_is_missing(self):
        """Then the best is all of it."""
        with Service("--sandbox", "best") as service:
            self.assertNotIn("without", service.said())
            fields = Path(f"/proc/{service.process.pid}/status").read_text()
            self.assertIn("Seccomp_filters:\t1\n", fields)

    @unittest.skipUnless(ROOT, "needs root")
    def test_a_user_namespace_with_one_user(self):
        done = subprocess.run(["unshare", "--user", "--map-root-user", PROGRAM, "--port", "0"],
                              capture_output=True, text=True, timeout=PATIENT)
        said = [line for line in done.stderr.splitlines() if " error echoip: " in line]
        self.assertEqual((done.returncode, len(said)), (77, 1), done.stderr)
        self.assertIn("a user namespace that has this uid and gid", said[0])

    def test_no_ipv6(self):
        with Service(command=self.lacking("ipv6")) as service:
            self.assertEqual(service.ask()[0].status, 200)


class Life(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def refused(self, *options, env=None):
        """Exit code and what was said by a start that must fail."""
        done = subprocess.run([PROGRAM, "--port", "0", "--https-port", "0", *map(str, options)],
                              capture_output=True, text=True, timeout=PATIENT, env=env)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()) > 0, True)
        return done.returncode, done.stderr

    def test_bad_command_lines(self):
        for options in (["--nonsense"], ["--port"], ["--port", "65536"], ["--port", "8o"],
                        ["--port", "-1"], ["--bind", "localhost"], ["--trusted-proxy", "10.0.0.1/8"],
                        ["--per-address", "0"], ["--max-connections", "99999999999999999999"],
                        ["--log-level", "loud"], ["--cert", "x"], ["--key", "x"], ["--no-http"],
                        ["stray"], ["--bind", "::1"] * 9, ["-x"], ["--user", ""]):
            self.assertEqual(self.refused(*options)[0], 2, options)

    def test_help_and_version(self):
        for option, words in (("--help", "--trusted-proxy CIDR"), ("--version", "postern-echoip ")):
            done = subprocess.run([PROGRAM, option], capture_output=True, text=True, check=True)
            self.assertIn(words, done.stdout)
            self.assertEqual(done.stderr, "")

    def test_bad_files(self):
        cert, key = make_certificate(self.folder)
        (self.folder / "other").mkdir()
        other = make_certificate(self.folder / "other")[1]
        empty = self.folder / "empty"
        empty.touch(mode=0o600)
        for options in (("--cert", cert, "--key", self.folder / "none"),
                        ("--cert", self.folder / "none", "--key", key),
                        ("--cert", cert, "--key", empty), ("--cert", cert, "--key", self.folder),
                        ("--cert", cert, "--key", other), ("--cert", key, "--key", key)):
            self.assertEqual(self.refused(*options)[0], 78, options)
        for mode in (0o604, 0o620, 0o602):
            key.chmod(mode)
            code, said = self.refused("--cert", cert, "--key", key)
            self.assertEqual(code, 78)
            self.assertIn("others may read or change", said)
        key.chmod(0o640)
        with Service("--cert", cert, "--key", key) as service:
            self.assertIn("https", service.ports)

    @unittest.skipUnless(ROOT, "needs root")
    def test_bad_users(self):
        self.assertEqual(self.refused("--user", "no-such-user-here")[0], 78)
        self.assertEqual(self.refused("--user", "root")[0], 78)

    def test_https_only(self):
        cert, key = make_certificate(self.folder)
        with Service("--cert", cert, "--key", key, "--no-http") as service:
            self.assertEqual(list(service.ports), ["https"])

    def test_one_family_and_a_busy_port(self):
        with Service("--bind", "127.0.0.1") as service:
            with self.assertRaises(ConnectionRefusedError):
                service.connect("::1")
            port = service.ports["http"]
            self.assertEqual(self.refused("--bind", "127.0.0.1", "--port", port)[0], 1)

    def test_signals_end_it_well(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Service() as service:
                link = service.connect()
                service.process.send_signal(number)
                self.assertEqual(service.process.wait(PATIENT), 0)
                self.assertEqual(link.recv(10), b"")

    def test_a_hangup_is_ignored(self):
        with Service() as service:
            service.process.send_signal(signal.SIGHUP)
            self.assertEqual(service.ask()[0].status, 200)

    def test_notices(self):
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notices.close)
        notices.settimeout(PATIENT)
        self.folder.chmod(0o755)
        path = self.folder / "notify"
        notices.bind(str(path))
        path.chmod(0o777)
        with Service(env=os.environ | {"NOTIFY_SOCKET": str(path)}) as service:
            self.assertEqual(notices.recv(100), b"READY=1")
            service.process.terminate()
            self.assertEqual(notices.recv(100), b"STOPPING=1")
            self.assertEqual(service.process.wait(PATIENT), 0)

    def activated(self, listeners, names, *options):
        """A service that finds `listeners` at descriptor 3 and up, as under systemd."""
        first = 100  # out of the way of the shell's own

        def place():
            for i, listener in enumerate(listeners):
                os.dup2(listener.fileno(), first + i)
            for i in range(len(listeners)):
                os.dup2(first + i, 3 + i)

        script = 'LISTEN_PID=$$ exec "$0" "$@"'
        command = ["/bin/sh", "-c", script, PROGRAM, *map(str, options)]
        return Service(command=command, preexec_fn=place, close_fds=False, env=os.environ | {
            "LISTEN_FDS": str(len(listeners)), "LISTEN_FDNAMES": names})

    def listener(self):
        made = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.addCleanup(made.close)
        return made

    def test_socket_activation_outlives_the_service(self):
        listener = self.listener()
        for _ in range(2):
            with self.activated([listener], "postern-echoip.socket") as service:
                self.assertEqual(service.ports, {"http": listener.getsockname()[1]})
                self.assertEqual(service.ask(host="::1")[0].status, 200)
                service.process.terminate()
                self.assertEqual(service.process.wait(PATIENT), 0)

    def test_socket_activation_by_name(self):
        cert, key = make_certificate(self.folder)
        tls = ssl.create_default_context(cafile=cert)
        with self.activated([self.listener(), self.listener()], "http:https",
                            "--cert", cert, "--key", key) as service:
            self.assertEqual(service.ask(host="::1")[0].status, 200)
            self.assertEqual(service.ask(host="::1", tls=tls)[0].status, 200)

    def test_bad_sockets_are_refused(self):
        datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(datagrams.close)
        for listener, names in ((datagrams, "http"), (self.listener(), "https")):
            service = self.activated([listener], names)
            self.addCleanup(service.__exit__)
            self.assertEqual(service.process.wait(PATIENT), 78, service.said())


if __name__ == "__main__":
    unittest.main()
