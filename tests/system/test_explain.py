"""posternd --explain: what it says of captured packets is what the daemon has decided about them."""

import os
import subprocess
import unittest
from contextlib import contextmanager
from pathlib import Path

import openme
import openspa
from daemon import program
from netns import PATIENCE, eventually
from openme import SECOND
from spa_world import PORT as SPA_PORT
from spa_world import SpaWorldTest
from world import FAMILIES, KNOCK_PORT, SERVICE_PORT


END = b"the last packet"


class Explained:
    """What one run of --explain has said."""

    def __init__(self, done):
        self.code = done.returncode
        self.text = done.stdout
        self.lines = done.stdout.splitlines()
        self.checks = {}
        for line in self.lines:
            words = line.split(maxsplit=2)
            if words and words[0] in ("passed", "FAILED", "unknown"):
                self.checks[words[1]] = (words[0], words[2] if len(words) > 2 else "")


class ExplainTest(SpaWorldTest):
    def serve_both(self, clients=None, devices=None):
        """A daemon for both protocols, whose log tells of every packet."""
        configuration = self.configuration(clients)
        configuration["openspa"] = self.settings()
        if devices:
            configuration["openspa"]["clients"] = devices
        self.start_with_files(configuration, self.files(), "--log-level", "debug")

    def start_with_files(self, configuration, files, *arguments):
        def place(folder):
            for name, text in files.items():
                path = Path(folder) / name
                path.parent.mkdir(mode=0o700, exist_ok=True)
                path.write_text(text)
                path.chmod(0o600)
        self.start(configuration, *arguments, prepare=place)

    @contextmanager
    def captured(self, what="udp", *options, device="wire"):
        """Gives the path of a capture that is complete when the block has ended."""
        path = self.daemon.folder / "packets.pcap"
        words = ["tcpdump", "-Z", "root", "--immediate-mode", "-U", "-n", "-i", device, "-w", path,
                 *options, f"({what}) or udp port 9"]
        tool = self.server.popen(*words, stderr=subprocess.PIPE, text=True)
        try:
            while "listening on" not in tool.stderr.readline():
                self.assertIsNone(tool.poll(), "tcpdump did not start")
            yield path
            # What came before this has been written when it has.
            self.client.send(END, self.address(4), 9)
            self.assertTrue(eventually(lambda: END in path.read_bytes()))
        finally:
            tool.terminate()
            tool.wait(PATIENCE)
            tool.stderr.close()

    def explain(self, file, *arguments):
        command = [program("posternd"), "-c", self.daemon.file, "--explain", file, *arguments]
        with self.server.popen(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True) as process:
            output, _ = process.communicate(timeout=PATIENCE)
        return Explained(subprocess.CompletedProcess(command, process.returncode, output))

    def decided(self, packet, port, family, verdict):
        """Sends the packet to the daemon, waits for the verdict, and explains its capture."""
        before = len(self.verdicts(verdict))
        with self.captured(f"udp port {port}") as path:
            self.client.send(packet, self.address(family), port)
            self.assertTrue(eventually(lambda: len(self.verdicts(verdict)) > before),
                            f"no {verdict}: {self.daemon.log_path.read_text()}")
        said = self.explain(path)
        self.assertIn(f"from {self.address(family, self.client)} port", said.lines[0])
        self.assertIn(f"to {self.address(family)} port {port}", said.lines[0])
        self.assertIn("when it was captured", said.lines[1])
        return said

    def assert_granted(self, said, *words):
        self.assertEqual(said.code, 0, said.text)
        self.assertRegex(said.lines[-1], "^granted: opens ")
        self.assertNotIn("FAILED", said.text)
        for word in words:
            self.assertIn(word, said.lines[-1])
        self.assertEqual(said.checks["replay"][0], "unknown")
        self.assertEqual(said.checks["quota"][0], "unknown")

    def assert_refused(self, said, verdict, check, text=""):
        self.assertEqual(said.code, 3, said.text)
        self.assertRegex(said.lines[-1], f"^refused: {verdict}: ")
        failed = [name for name, (result, _) in said.checks.items() if result == "FAILED"]
        self.assertEqual(failed, [check], said.text)
        self.assertEqual(list(said.checks)[-1], check, said.text)
        self.assertIn(text, said.checks[check][1])

    def each_knock(self, verdict, check, text="", key=None, server=None, **fields):
        """The same knock over both families is refused by the daemon and explained so."""
        for family in FAMILIES:
            with self.subTest(family=family):
                packet = openme.knock(key or self.alice, server or self.server_key.public,
                                      **fields)
                said = self.decided(packet, KNOCK_PORT, family, verdict)
                self.assert_refused(said, verdict, check, text)

    def each_request(self, verdict, check, text="", device=None, key=None, **fields):
        for family in FAMILIES:
            with self.subTest(family=family):
                packet = openspa.request(
                    device or self.phone, key or self.spa_key.public, openspa.TCP, SERVICE_PORT,
                    client=fields.pop("client", self.address(family, self.client)), **fields)
                said = self.decided(packet, SPA_PORT, family, verdict)
                self.assert_refused(said, verdict, check, text)

    # openme

    def test_a_granted_knock(self):
        self.serve_both()
        for family in FAMILIES:
            packet = openme.knock(self.alice, self.server_key.public)
            said = self.decided(packet, KNOCK_PORT, family, "granted")
            self.assert_granted(said, f"{SERVICE_PORT}/tcp", f"{self.address(family, self.client)}",
                                "for 2.000 s")
            self.assertEqual(said.checks["size"][1], "165 bytes")
            self.assertEqual(said.checks["signature"][1], "of alice")
            self.assertIn("the window is 60 s", said.checks["time"][1])
            self.assertEqual(said.checks["expiry"][1], "never")

    def test_a_stale_knock(self):
        self.serve_both()
        self.each_knock("stale", "time", "s behind; the window is 60 s",
                        timestamp=openme.now_ns() - 3600 * SECOND)

    def test_a_revoked_client(self):
        self.serve_both({"alice": {"revoked": True}})
        self.each_knock("revoked", "revoked", "yes")

    def test_an_expired_client(self):
        self.serve_both({"alice": {"expires": '"2020-01-01T00:00:00Z"'}})
        self.each_knock("expired", "expiry", "2020-01-01T00:00:00Z")

    def test_a_knock_for_another_server(self):
        self.serve_both()
        self.each_knock("bad_seal", "seal", openme.text(self.server_key.public),
                        server=openme.ServerKey().public)

    def test_an_unknown_signer(self):
        self.serve_both()
        self.each_knock("unknown_signer", "signature", "of none of the 3 clients",
                        key=openme.ClientKey())

    def test_a_client_that_is_found_by_hint_alone(self):
        self.serve_both({"alice": {"legacy": "no"}})
        self.each_knock("unknown_signer", "signature", "of none of the 3 clients")

    def test_a_refused_wildcard(self):
        self.serve_both({"alice": {"wildcard": False}})
        self.each_knock("wildcard_refused", "target", "left open")

    def test_a_refused_target(self):
        self.serve_both({"alice": {"targets": ["source"]}})
        self.each_knock("target_refused", "target", "203.0.113.9", target="203.0.113.9")

    def test_noise(self):
        self.serve_both()
        good = openme.knock(self.alice, self.server_key.public)
        for packet, verdict, check in ((good[:-1], "bad_size", "size"),
                                       (good + bytes(1200), "bad_size", "size"),
                                       (b"\x02" + good[1:], "bad_version", "version"),
                                       (openme.flipped(good, 8 * 32 + 7), "malformed", "form"),
                                       (good[:1] + bytes(32) + good[33:], "bad_key", "key"),
                                       (openme.flipped(good, 400), "bad_seal", "seal")):
            for family in FAMILIES:
                with self.subTest(verdict=verdict, family=family):
                    said = self.decided(packet, KNOCK_PORT, family, verdict)
                    self.assert_refused(said, verdict, check)

    # OpenSPA

    def test_a_granted_request(self):
        self.serve_both()
        for family in FAMILIES:
            packet = self.request(family=family)
            said = self.decided(packet, SPA_PORT, family, "granted")
            self.assert_granted(said, f"{SERVICE_PORT}/tcp for "
                                f"{self.address(family, self.client)}, for 2.000 s")
            self.assertIn(str(self.phone.uuid), said.checks["device"][1])
            self.assertEqual(said.checks["authorized"][0], "passed")

    def test_a_stale_request(self):
        self.serve_both()
        self.each_request("stale", "time", "the window is 300 s",
                          timestamp=openme.now_ns() // SECOND - 3600)

    def test_a_revoked_device(self):
        self.serve_both(devices={str(self.phone.uuid): {"revoked": True}})
        self.each_request("revoked", "revoked", "yes")

    def test_a_request_for_another_server(self):
        self.serve_both()
        self.each_request("bad_seal", "seal", key=openspa.Key().public)

    def test_an_unknown_device(self):
        self.serve_both()
        stranger = openspa.Device()
        self.each_request("unknown_signer", "device", str(stranger.uuid), device=stranger)

    def test_a_request_signed_by_another_device(self):
        self.serve_both()
        self.each_request("unknown_signer", "signature", signer=self.laptop.key)

    def test_a_port_that_no_rule_allows(self):
        self.serve_both(devices={str(self.phone.uuid): {"rules": [f"{SERVICE_PORT + 1}/tcp"]}})
        self.each_request("no_ports", "authorized", f"{SERVICE_PORT}/tcp")

    # Files

    def test_every_interface_at_once(self):
        """tcpdump -i any writes Linux cooked captures."""
        self.serve_both()
        with self.captured(f"udp port {KNOCK_PORT}", device="any") as path:
            for family in FAMILIES:
                self.knock(family=family)
            self.assertTrue(eventually(lambda: len(self.verdicts("granted")) >= 2))
        for packet, family in ((1, 4), (2, 6)):
            said = self.explain(path, "--packet", packet)
            self.assert_granted(said, self.address(family, self.client))

    def test_the_nth_packet(self):
        self.serve_both()
        with self.captured() as path:
            self.client.send(b"something else", self.address(4), 9)
            self.knock(self.bob)
            self.knock(openme.ClientKey())
            self.assertTrue(eventually(lambda: self.verdicts("unknown_signer")))
        self.assertEqual(self.explain(path).lines[0].split(":")[0], "packet 2")
        self.assert_granted(self.explain(path, "--packet", 2))
        self.assert_refused(self.explain(path, "--packet", 3), "unknown_signer", "signature")
        self.assertIn("does not listen on port 9", self.explain(path, "--packet", 1).text)
        said = self.explain(path, "--packet", 99)
        self.assertEqual((said.code, "fewer packets" in said.text), (1, True), said.text)

    def test_damaged_files(self):
        self.serve_both()
        with self.captured(f"udp port {KNOCK_PORT}") as path:
            self.knock()
            self.assertTrue(eventually(lambda: self.verdicts("granted")))
        whole = path.read_bytes()[:24 + 16 + 14 + 20 + 8 + 165]
        part = self.daemon.folder / "part"
        part.write_bytes(whole)
        self.assert_granted(self.explain(part))
        for size in (len(whole) - 1, 24 + 16 + 30, 24 + 7, 5):
            part.write_bytes(whole[:size])
            said = self.explain(part)
            self.assertEqual((said.code, "ends inside a packet" in said.text), (1, True), said.text)
        with self.captured(f"udp port {KNOCK_PORT}", "-s", "100") as path:
            self.knock()
            self.assertTrue(eventually(lambda: len(self.verdicts("granted")) > 1))
        said = self.explain(path)
        self.assertEqual((said.code, "in part only" in said.text), (1, True), said.text)
        self.assertEqual(self.explain(self.daemon.folder / "nothing").code, 1)
        self.assertEqual(self.explain("/dev/zero").code, 1)

    def test_bytes_alone(self):
        self.serve_both()
        file = self.daemon.folder / "datagram"
        file.write_bytes(openme.knock(self.alice, self.server_key.public))
        said = self.explain(file)
        self.assertEqual((said.code, "--source" in said.text), (2, True), said.text)
        for source in ("192.0.2.7", "2001:db8::7"):
            self.assert_granted(self.explain(file, "--source", source), f"for {source}, ")
        said = self.explain(file, "--source", "192.0.2.7", "--at", "2020-02-29T12:00:00Z")
        self.assert_refused(said, "stale", "time", "ahead")
        self.assertIn("judged as of 2020-02-29T12:00:00Z", said.text)
        file.write_bytes(self.request())
        self.assert_granted(self.explain(file, "--source", self.address(4, self.client)))
        file.write_bytes(os.urandom(165))
        self.assertEqual(self.explain(file, "--source", "192.0.2.7").code, 3)
        for wrong in (("--source", "here"), ("--source", "::1", "--at", "soon"), ("--packet", "0"),
                      ("--packet", "-1"), ("--packet", "x")):
            self.assertEqual(self.explain(file, *wrong).code, 2, wrong)

    def test_nothing_is_changed(self):
        """The daemon has seen nothing of what was explained, and the rules are as they were."""
        self.serve_both()
        packet = openme.knock(self.alice, self.server_key.public, target="203.0.113.77")
        file = self.daemon.folder / "datagram"
        file.write_bytes(packet)
        rules = self.server.run("nft", "list", "ruleset")
        for _ in range(2):
            self.assert_granted(self.explain(file, "--source", "192.0.2.7"))
        self.assertEqual(self.server.run("nft", "list", "ruleset"), rules)
        self.deliver(packet)
        self.assertTrue(eventually(lambda: self.verdicts("granted")))
        self.assertFalse(self.verdicts("replayed"))

    def test_a_program_would_decide(self):
        self.serve_both()
        text = self.daemon.file.read_text()
        script = self.daemon.folder / "authorization"
        script.write_text("#!/bin/sh\necho 30\n")
        script.chmod(0o755)
        self.daemon.file.write_text(text.replace("  duration: 2s\n", "").replace(
            "openspa:\n", f"openspa:\n  extension_scripts:\n    authorization: {script}\n"))
        file = self.daemon.folder / "datagram"
        file.write_bytes(self.request())
        said = self.explain(file, "--source", self.address(4, self.client))
        self.assertEqual(said.code, 4, said.text)
        self.assertIn("undecided: a script or helper is asked for how long", said.text)

    def test_the_configuration_is_judged_first(self):
        self.serve_both()
        file = self.daemon.folder / "datagram"
        file.write_bytes(b"")
        self.daemon.file.write_text("server: nonsense\n")
        self.assertEqual(self.explain(file, "--source", "::1").code, 78)


if __name__ == "__main__":
    unittest.main()
