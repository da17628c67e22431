"""The tool called `openspa-client`: exit codes and flags as scripts for the original expect them;
and what --auto-mode does."""

import json
import signal
import subprocess
import time

import spa_server
from daemon import program
from netns import PATIENCE, eventually
from openspa import ICMPV6
from spa_tool import DEVICE, SOON, SpaTest, need_openspa
from tool import NO_ANSWER


def setUpModule():
    need_openspa()


class ByThatName(SpaTest):
    def setUp(self):
        super().setUp()
        self.link = self.room / "openspa-client"
        self.link.symlink_to(program("postern"))

    def call(self, *words):
        return subprocess.run([self.link, *map(str, words)], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)

    def assert_ends(self, code, *words):
        done = self.call(*words)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def words_by_option(self, server):
        files = {"--private-key": (spa_server.private_pem(self.client_key), 0o600),
                 "--public-key": (spa_server.public_pem(self.client_key), 0o644),
                 "--server-public-key": (spa_server.public_pem(self.server_key), 0o644)}
        words = ["request", "--client-device-id", DEVICE, "-s", server.address, "--server-port",
                 server.port, "-p", 22, *SOON]
        for option, (text, mode) in files.items():
            words += [option, self.write(self.room / option, text, mode)]
        return words

    def test_granted(self):
        self.assert_ends(0, *self.words(self.serve(), "-p", 22))

    def test_ospa_file(self):
        """2, as long as it is the file's fault."""
        self.assert_ends(2, "request", self.room / "none.ospa", "-p", 22)
        self.assert_ends(2, "request", self.write(self.room / "bad", "no: ospa\n"), "-p", 22)

    def test_keys(self):
        """3 to 5 when they cannot be read, 6 to 8 when they are none."""
        server = self.serve()
        words = self.words_by_option(server)
        self.assert_ends(0, *words)
        for option, code in (("--server-public-key", 3), ("--public-key", 4), ("--private-key", 5)):
            file = self.room / option
            kept = file.read_text()
            self.write(file, "not a key\n", 0o600)
            self.assert_ends(code + 3, *words)
            file.unlink()
            self.assert_ends(code, *words)
            self.write(file, kept, 0o600)
        self.assertEqual(len(server.requests), 1)

    def test_a_key_in_the_file(self):
        text = self.ospa.read_text()
        at = text.index("BEGIN RSA PRIVATE KEY") + 30
        self.write(self.ospa, text[:at] + "!!!!" + text[at + 4:])
        self.assert_ends(8, *self.words(self.serve(), "-p", 22))

    def test_parameters(self):
        server = self.serve()
        for words in ([], ["-p", 30, "--end-port", 20]):
            self.assert_ends(9, *self.words(server, *words))
        self.assert_ends(9, "request", self.ospa, "-p", 22)  # no server
        self.assert_ends(9, "request", "-p", 22)  # no key either
        self.assert_ends(1, *self.words(server, "--no-such-option"))
        self.assert_ends(1, *self.words(server, "-p", "ssh"))
        self.assertEqual(server.requests, [])

    def test_no_answer(self):
        self.assert_ends(11, *self.words(self.serve(lambda _: []), "-p", 22, *SOON))
        words = ["request", self.ospa, "-s", "host.invalid", "-p", 22, *SOON]
        self.assert_ends(12, *words)

    def test_no_address(self):
        self.assert_ends(10, *self.words(self.serve(), "-p", 22, "--echo-ipv4-server",
                                         "http://127.0.0.1:9"))

    def test_verbose(self):
        """Before the command and behind it; what is said is no data."""
        server = self.serve()
        for before, behind in ((["-v"], []), ([], ["-v"]), (["-v", "--verbose-split"], []),
                               ([], ["--verbose-split", "-v"])):
            done = self.assert_ends(0, *before, *self.words(server, *behind, "-p", 22))
            self.assertIn("request 1 sent", done.stderr)
            self.assertEqual(done.stdout, "TCP port 22 granted to 127.0.0.1 for 1m0s.\n")
        self.assertNotIn("sent", self.assert_ends(0, *self.words(server, "-p", 22)).stderr)

    def test_under_our_own_name_the_codes_are_ours(self):
        self.tool(*self.words(self.serve(lambda _: []), "-p", 22, *SOON), code=NO_ANSWER)
        done = self.run_tool(*self.words(self.serve(), "-v", "-p", 22))
        self.assertEqual((done.returncode, "request 1 sent" in done.stderr), (0, True))


class AutoMode(SpaTest):
    """As against the original's server, which extends what is open by each request."""

    def start_asking(self, server, *words):
        tool = subprocess.Popen(
            [program("postern"), *map(str, self.words(server, "--auto-mode", "--json", *words))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(tool.stdout.close)
        self.addCleanup(tool.stderr.close)
        self.addCleanup(tool.kill)
        return tool

    def test_icmpv6_is_renewed_at_half_time(self):
        server = self.serve(lambda request: server.grant(request, duration=4),
                            family=10, address="::1")
        tool = self.start_asking(server, "--protocol", "icmpv6")
        self.assertTrue(eventually(lambda: len(server.requests) >= 3), "it does not ask again")
        tool.send_signal(signal.SIGTERM)
        out, complaint = tool.communicate(timeout=PATIENCE)
        self.assertEqual((tool.returncode, complaint), (0, ""))
        told = [json.loads(line) for line in out.splitlines()]
        self.assertEqual({(r.protocol, r.first, r.last) for r in server.requests}, {(ICMPV6, 0, 0)})
        self.assertEqual(len({r.nonce for r in server.requests}), len(server.requests))
        self.assertTrue(all(one["granted"] and one["duration_s"] == 4 for one in told))
        times = [r.time for r in server.requests]  # whole seconds
        self.assertTrue(all(b - a >= 1 for a, b in zip(times, times[1:])), times)

    def test_a_lost_answer_is_asked_for_again(self):
        lost = {2}  # of the second round, the first
        server = self.serve(lambda request: [] if len(server.requests) in lost
                            else server.grant(request, duration=4))
        tool = self.start_asking(server, "-p", 22, "--timeout", "500ms", "-r", "2")
        self.assertTrue(eventually(lambda: len(server.requests) >= 5))
        self.assertIsNone(tool.poll())

    def test_no_answer_any_more_ends_it(self):
        server = self.serve(lambda request: server.grant(request, duration=2)
                            if len(server.requests) == 1 else [])
        tool = self.start_asking(server, "-p", 22, "--timeout", "700ms", "-r", "3")
        out, complaint = tool.communicate(timeout=PATIENCE)
        self.assertEqual(tool.returncode, NO_ANSWER)
        self.assertIn("no answer", complaint)
        self.assertEqual([json.loads(line)["granted"] for line in out.splitlines()], [True, False])
        self.assertEqual(len(server.requests), 4)

    def test_without_end(self):
        """With -r -1 it outlives a server that is away for long."""
        back = time.monotonic() + 2
        server = self.serve(lambda request: server.grant(request, duration=2)
                            if len(server.requests) == 1 or time.monotonic() > back else [])
        tool = self.start_asking(server, "-p", 22, "--timeout", "200ms", "-r", "-1")
        self.assertTrue(eventually(lambda: self.granted_twice(tool)))

    @staticmethod
    def granted_twice(tool):
        return all(json.loads(tool.stdout.readline())["granted"] for _ in range(2))
