"""postern-web: what it serves, to whom, and what it costs the daemon."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import control
import openme
import web
from daemon import BUILD, program
from netns import PATIENCE, Namespace, eventually
from stage import Stage, grant, record, seen, stat
from web import Web
from world import LONG, WorldTest

PROGRAM = BUILD / "postern-web"
NOW = time.time_ns()
HEALTHY = [stat(name, value) for name, value in (
    ("granted", 5), ("stale", 2), ("bad_size", 9), ("firewall", 1), ("up-doorman", 1),
    ("up-keeper", 1), ("up-desk", 1), ("reload-ok", 1), ("postern-guard", 1), ("shield", 1),
    ("intake", 1))]


def setUpModule():
    if not PROGRAM.is_file():
        raise unittest.SkipTest("built without postern-web")


class StageTest(unittest.TestCase):
    """postern-web before a daemon that says what the test wants."""

    @classmethod
    def setUpClass(cls):
        cls.space = Namespace("web")

    @classmethod
    def tearDownClass(cls):
        cls.space.close()

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="postern-web-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.control = self.folder / "control"

    def stage(self):
        stage = Stage(self.control)
        self.addCleanup(stage.__exit__)
        stage.stats = list(HEALTHY)
        return stage

    def web(self, *options, **more):
        started = Web(self.space, PROGRAM, self.folder, self.control, *options, **more)
        self.addCleanup(started.__exit__)
        return started.__enter__()

    def ends_with(self, code, *options):
        """What it says, when it ends at once."""
        done = self.space.popen(*web.with_user(self.folder, PROGRAM, *options),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = done.communicate(timeout=PATIENCE)[0]
        self.assertEqual(done.returncode, code, said)
        return said


class ServingTest(StageTest):
    def setUp(self):
        super().setUp()
        self.daemon = self.stage()
        self.served = self.web()

    def test_both_families(self):
        for where in ("127.0.0.1", "::1"):
            for path, kind in (("/", "text/html; charset=utf-8"), ("/metrics", "text/plain; version"
                               "=0.0.4; charset=utf-8"), ("/data.json", "application/json"),
                               ("/page.css", "text/css; charset=utf-8"), ("/icon.svg",
                               "image/svg+xml"), ("/page.js", "text/javascript; charset=utf-8")):
                response, text = self.served.ask(path, where)
                self.assertEqual((response.status, response.headers["Content-Type"]), (200, kind))
                self.assertTrue(text)

    def test_headers(self):
        for path in ("/", "/data.json", "/metrics", "/nowhere"):
            headers = self.served.ask(path)[0].headers
            policy = headers["Content-Security-Policy"]
            self.assertTrue(policy.startswith("default-src 'none'; "), policy)
            self.assertNotIn("unsafe", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertEqual(headers["Cross-Origin-Resource-Policy"], "same-origin")
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertIsNone(headers["Access-Control-Allow-Origin"])

    def test_only_looking(self):
        response, text = self.served.ask("/", method="HEAD")
        self.assertEqual((response.status, text), (200, b""))
        self.assertGreater(int(response.headers["Content-Length"]), 1000)
        for method in ("PUT", "DELETE", "OPTIONS", "BREW"):
            response, _ = self.served.ask("/metrics", method=method)
            self.assertEqual((response.status, response.headers["Allow"]), (405, "GET, HEAD"))
        for path in ("/index.htm", "//", "/metrics/", "/../page.js", "/%2e%2e/page.js", "/page.js%00"):
            self.assertEqual(self.served.ask(path)[0].status, 404, path)

    def test_names_that_somebody_has_pointed_here(self):
        for host in ("evil.example", "localhost.evil.example", "10.0.0.1", ""):
            for path in ("/", "/data.json", "/metrics"):
                response, text = self.served.ask(path, headers={"Host": host})
                self.assertEqual(response.status, 421, host)
                self.assertNotIn(b"postern_", text)
        for host in ("127.0.0.1:8080", "[::1]", "LOCALHOST:1"):
            self.assertEqual(self.served.ask(headers={"Host": host})[0].status, 200, host)
        with self.served.connect() as link:  # none at all
            link.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            self.assertIn(b" 421 ", link.recv(100))

    def test_a_body_is_not_waited_for(self):
        with self.served.connect() as link:
            link.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
            self.assertEqual(link.recv(100), b"")

    def test_numbers(self):
        metrics = self.served.metrics()
        self.assertEqual(metrics["postern_up"], 1)
        self.assertEqual(metrics['postern_knocks_total{verdict="stale"}'], 2)
        data = self.served.data()
        self.assertEqual((data["problem"], data["healthy"]), (None, True))
        self.assertEqual({row["name"]: row["all"] for row in data["verdicts"]},
                         {"granted": 5, "stale": 2, "bad_size": 9})
        self.assertEqual({row["state"] for row in data["health"]}, {"good"})

    def test_what_is_wrong_is_told(self):
        self.daemon.stats += [stat("without-seccomp", 1), stat("up-runner", 0),
                              stat("datagrams-lost", 3)]
        self.daemon.stats = [line for line in self.daemon.stats if b"firewall" not in line]
        self.daemon.stats.append(stat("firewall", 0))
        self.assertTrue(eventually(lambda: not self.served.data()["healthy"]))
        states = {row["what"]: (row["state"], row["say"]) for row in self.served.data()["health"]}
        self.assertEqual(states["Processes"], ("bad", "not answering: runner"))
        self.assertEqual(states["Firewall"], ("bad", "the rules are not in force"))
        self.assertEqual(states["Sandbox"], ("warn", "without seccomp"))
        self.assertEqual(states["Queue"][0], "warn")

    def test_many_clients(self):
        """As many as are shown, one more, and thousands; whoever is not shown is found."""
        for count in (0, 1, 256, 257, 10000):
            with self.subTest(count=count):
                self.daemon.sessions = [
                    packet for n in range(count)
                    for packet in (grant(f"client{n}", NOW, 60_000_000 + n, f"198.51.{n >> 8}.{n & 255}"),
                                   seen(f"client{n}", NOW - n, f"198.51.{n >> 8}.{n & 255}"))]
                self.assertTrue(eventually(
                    lambda n=count: self.served.data()["clients"]["all"] == n))
                data = self.served.data()
                for part in ("grants", "clients"):
                    self.assertEqual(data[part]["all"], count)
                    self.assertEqual(data[part]["matching"], count)
                    self.assertEqual([row["label"] for row in data[part]["rows"]],
                                     [f"client{n}" for n in range(min(count, 256))])
        for words, label in (("CLIENT9999", "client9999"), ("198.51.39.15", "client9999")):
            found = self.served.data(f"/data.json?filter={words}")["clients"]
            self.assertEqual((found["matching"], found["rows"][0]["label"]), (1, label))

    def test_hostile_labels(self):
        bad = [b"</script><script>alert(1)</script>", b"\"\\\n\x1b[31m", b"\xff\xfe", b"%zz", b"a" * 63]
        self.daemon.sessions = [packet for label in bad for packet in (
            grant(label, NOW, 1000), seen(label, NOW))]
        self.assertTrue(eventually(lambda: self.served.data()["clients"]["all"] == len(bad)))
        response, text = self.served.ask("/data.json")
        self.assertEqual({row["label"].encode("latin-1") for row in json.loads(text)["clients"]["rows"]},
                         set(bad))
        self.assertTrue(text.isascii())
        self.assertNotIn(b"alert", self.served.ask("/metrics")[1])

    def test_a_daemon_that_breaks_off(self):
        for end in (b"", b"\x01", record(control.ERROR, b"\x01\x00\x05no\xff\x01x"),
                    record(255), os.urandom(900)):
            self.daemon.end = end
            self.assertTrue(eventually(lambda: self.served.data()["problem"] is not None))
            self.assertTrue(eventually(lambda: self.served.metrics() == {"postern_up": 0}))
            self.daemon.end = record(control.DONE)
            self.assertTrue(eventually(lambda: self.served.data()["problem"] is None, within=60))

    def test_a_daemon_that_is_silent(self):
        """Whoever looks is told, and served all the same; it is not asked again and again."""
        self.daemon.silent = True
        self.assertTrue(eventually(lambda: self.served.data()["problem"] ==
                                   "posternd does not answer in time.", within=60))
        asked = len(self.daemon.asked)
        for _ in range(200):
            self.served.ask("/page.css")
        self.assertLessEqual(len(self.daemon.asked) - asked, 2)

    def test_a_flood_asks_once_a_second(self):
        began, before = time.monotonic(), len(self.daemon.asked)
        threads = [threading.Thread(target=lambda: [self.served.ask(path) for _ in range(100)])
                   for path in ("/metrics", "/data.json") for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        self.assertEqual(self.daemon.most_at_once, 1)
        self.assertLessEqual(len(self.daemon.asked) - before, 2 * (seconds + 2))

    def test_connections_are_bounded_and_end(self):
        """Silent ones take all places, and lose them."""
        silent = [self.served.connect() for _ in range(70)]
        self.assertTrue(eventually(lambda: self.answers(), within=60))
        for link in silent:
            link.close()

    def answers(self):
        try:
            return self.served.ask("/page.css")[0].status == 200
        except OSError:
            return False

    def test_no_rights(self):
        status = Path(f"/proc/{self.served.process.pid}/status").read_text()
        values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.assertEqual(set(values["Uid"].split()), {str(web.user()[0])})
        self.assertEqual(set(values["Gid"].split()), {str(web.user()[1])})
        self.assertEqual(values["Groups"].strip(), "")
        for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(values[which], 16), 0, which)
        self.assertEqual(values["NoNewPrivs"], "1")
        if "sanitizer" not in self.served.said():
            self.assertEqual(values["Seccomp"], "2")

    def test_signals_end_it_well(self):
        self.served.process.send_signal(signal.SIGHUP)
        self.assertEqual(self.served.ask()[0].status, 200)
        self.served.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.served.process.wait(PATIENCE), 0)


class ListeningTest(StageTest):
    def test_a_unix_socket(self):
        folder = self.folder / "run"
        folder.mkdir()
        os.chown(folder, *web.user())
        path = folder / "socket"
        for _ in range(2):  # the second finds what the first, which was killed, has left
            self.stage_again()
            with Web(self.space, PROGRAM, self.folder, self.control, "--listen",
                     f"unix:{path}") as served:
                self.assertEqual(path.stat().st_mode & 0o777, 0o660)
                self.assertEqual(served.ask("/metrics", str(path))[0].status, 200)
                self.assertEqual(served.ask("/", str(path), headers={"Host": "x.example"})[0].status, 421)
                self.assertIn("path=", self.ends_with(1, "--listen", f"unix:{path}"))
                self.assertEqual(served.ask("/metrics", str(path))[0].status, 200)

    def stage_again(self):
        self.control.unlink(missing_ok=True)
        return self.stage()

    def test_places_that_others_can_reach(self):
        for place in ("0.0.0.0:9765", "[::]:9765", "10.0.0.1:9765", "9765", "unix:relative"):
            self.assertIn("for this host alone", self.ends_with(2, "--listen", place))

    def test_inherited_sockets(self):
        """A service manager's, unless others can reach them."""
        for family, host, code in ((socket.AF_INET, "127.0.0.1", None), (socket.AF_INET6, "::1", None),
                                   (socket.AF_INET, "0.0.0.0", 78), (socket.AF_INET6, "::", 78)):
            listener = self.space.socket(family, socket.SOCK_STREAM)
            listener.bind((host, 0))
            listener.listen(4)
            os.set_inheritable(listener.fileno(), True)
            command = ["bash", "-c", f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"',
                       "-", PROGRAM, "--control", self.control]
            with self.subTest(host=host):
                served = subprocess.Popen(web.with_user(self.folder, *command), text=True,
                                          stderr=subprocess.PIPE, pass_fds=[listener.fileno()])
                if code is None:
                    with self.space.entered():
                        link = socket.create_connection(listener.getsockname()[:2], timeout=PATIENCE)
                    link.sendall(b"GET /page.css HTTP/1.1\r\nHost: [::1]\r\n\r\n")
                    self.assertIn(b"200 OK", link.recv(100))
                    link.close()
                    served.terminate()
                said = served.communicate(timeout=PATIENCE)[1]
                self.assertEqual(served.returncode, code or 0, said)
                self.assertEqual("for this host alone" in said, code is not None)
            listener.close()

    def test_words(self):
        self.assertIn("--listen PLACE", self.ends_with(0, "--help"))
        self.assertIn("postern-web 0", self.ends_with(0, "--version"))
        for words in (("--nothing",), ("word",), ("--listen",), ("--control", ""),
                      ("--sandbox", "no"), ("--log-level", "loud"),
                      ("--listen", "127.0.0.1:1") * 5):
            self.assertIn("error web: ", self.ends_with(2, *words))
        self.assertIn("no such user", self.ends_with(78, "--user", "nobody-of-that-name"))
        self.assertIn("root's rights", self.ends_with(78, "--user", "root"))

    def test_no_daemon(self):
        served = self.web()
        self.assertEqual(served.data()["problem"], "posternd is not running.")
        self.assertEqual(served.metrics(), {"postern_up": 0})
        self.assertEqual(served.ask()[0].status, 200)


class BesideDaemonTest(WorldTest):
    """With a daemon that knows the user postern-web."""

    server_settings = {"knock_timeout": LONG}

    def setUp(self):
        super().setUp()
        self.start(prepare=self.know_user)
        self.knock()
        self.settle()

    def know_user(self, folder):
        command = self.daemon.command
        self.daemon.command = lambda *more: web.with_user(folder, *command(*more))

    def asked_as(self, uid, gid, kind):
        """The types of the records, or what kept it from asking."""
        code = ("import sys, control\n"
                f"print([k for k, _ in control.ask({str(self.daemon.control)!r}, {kind})])")
        done = subprocess.run(
            ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "/usr/bin/python3",
             "-B", "-c", code], cwd=Path(__file__).parent, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        return done.stdout.strip() or done.stderr

    def test_who_may_look(self):
        """The user postern-web, at sessions and counters; nobody else, and at nothing else."""
        uid, gid = web.user()
        mode = self.daemon.control.stat()
        self.assertEqual((mode.st_mode & 0o777, mode.st_uid, mode.st_gid), (0o660, 0, gid))
        for kind in (control.SESSIONS, control.STATS):
            self.assertTrue(self.asked_as(uid, gid, kind).endswith(f"{control.DONE}]"))
        for kind in (control.RELOAD, *range(4, 20)):
            self.assertEqual(self.asked_as(uid, gid, kind), f"[{control.ERROR}]", kind)
        # In the group, as somebody who may read the page at a UNIX socket, but another user.
        for kind in (control.SESSIONS, control.STATS, control.RELOAD):
            self.assertEqual(self.asked_as(12345, gid, kind), f"[{control.ERROR}]")
        self.assertIn("PermissionError", self.asked_as(12345, 12345, control.STATS))
        self.assertFalse([line for line in self.daemon.lines()
                          if line["message"].startswith("reloaded: ")])

    def as_viewer(self):
        """A connection of the user postern-web."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        code = ("import socket, sys\n"
                "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                f"s.connect({str(self.daemon.control)!r})\n"
                f"socket.send_fds(socket.socket(fileno={theirs.fileno()}), [b'x'], [s.fileno()])\n")
        uid, gid = web.user()
        subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
                        "/usr/bin/python3", "-c", code], pass_fds=[theirs.fileno()], check=True)
        theirs.close()
        descriptor = socket.recv_fds(ours, 1, 1)[1][0]
        ours.close()
        link = socket.socket(fileno=descriptor)
        link.settimeout(PATIENCE)
        self.addCleanup(link.close)
        return link

    def test_a_viewer_that_was_taken_over_keeps_nobody_away(self):
        """It has two places, and gives way to root."""
        deaf = [self.as_viewer() for _ in range(20)]
        refused = []
        for link in deaf:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            try:
                link.send(control.request(control.SESSIONS))
            except BrokenPipeError:
                refused.append(link)
        self.assertGreaterEqual(len(refused), 18)  # more, where one was silent for too long
        for kind in (control.SESSIONS, control.STATS, control.RELOAD):
            self.assertEqual(control.ask(self.daemon.control, kind)[-1][0], control.DONE)
        self.knock(self.bob)
        self.assertTrue(eventually(lambda: self.counted("granted") >= 3))

    def test_root_need_not_wait_for_a_viewer(self):
        """Who reads a little now and then would be shown sessions for as long as that."""
        self.grant_all([f"198.51.100.{n}" for n in range(200)])
        slow = self.as_viewer()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        os.kill(self.daemon.roles()["keeper"], signal.SIGSTOP)
        slow.send(control.request(control.SESSIONS))
        with control.connect(self.daemon.control) as root:
            root.send(control.request(control.SESSIONS))
            kind, text = control.answers(slow)[-1]
            os.kill(self.daemon.roles()["keeper"], signal.SIGCONT)
            self.assertEqual(kind, control.ERROR)
            self.assertIn(b"somebody else has asked", text)
            found = control.answers(root)
        self.assertEqual(found[-1][0], control.DONE)
        self.assertGreater(len(found), 200)

    def test_a_flood_of_scrapes_costs_no_knock(self):
        with Web(self.server, program("postern-web"), self.folder, self.daemon.control) as served:
            ended = threading.Event()

            def scrape():
                while not ended.is_set():
                    served.ask("/metrics")
                    served.ask("/data.json?filter=a")
            threads = [threading.Thread(target=scrape) for _ in range(8)]
            half = [served.connect() for _ in range(30)]
            for link in half:
                link.sendall(b"GET /metr")
            for thread in threads:
                thread.start()
            try:
                self.grant_all([f"198.51.100.{n}" for n in range(100)])
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
                for link in half:
                    link.close()

    def test_what_it_tells_is_what_there_is(self):
        with Web(self.server, program("postern-web"), self.folder, self.daemon.control) as served:
            data = served.data()
            self.assertEqual((data["problem"], data["healthy"]), (None, True))
            self.assertEqual({row["label"] for row in data["grants"]["rows"]}, {"alice", "marker"})
            alice = next(row for row in data["grants"]["rows"] if row["label"] == "alice")
            self.assertEqual(alice["address"], self.client.addresses[1][4])
            self.assertIn([6, 2222, 2222], alice["ports"])
            self.assertGreater(alice["left_ms"], 60_000)
            self.knock(openme.ClientKey())  # a stranger
            self.knock(self.bob, 6)
            self.assertTrue(eventually(lambda: len(served.data()["grants"]["rows"]) == 3))
            self.assertTrue(eventually(lambda: sum(
                n or 0 for n in served.data()["minutes"]["refused"]) == 1))
            metrics = served.metrics()
            self.assertEqual(metrics['postern_knocks_total{verdict="granted"}'], self.counted("granted"))


if __name__ == "__main__":
    unittest.main()
