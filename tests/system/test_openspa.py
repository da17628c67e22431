"""OpenSPA requests against the daemon, with a client that shares no code with it."""

import json
import os
import time
from pathlib import Path
from unittest.mock import patch

from cryptography.exceptions import InvalidSignature

import control
import openme
import openspa
from daemon import program
from flood import Flood, Forger, hurry
from netns import eventually, run
from spa_world import FAR, PORT, SpaWorldTest
from world import SERVICE_PORT


MANY_BYTES = 1 << 18  # a few hundred requests
TRAP = """openssl_conf = all
[all]
providers = providers
[providers]
theirs = theirs
default = base
[theirs]
module = {0}
activate = 1
[base]
activate = 1
"""


class OpenSpaTest(SpaWorldTest):
    # What is granted

    def test_tcp_over_both_families(self):
        self.serve()
        for family in (4, 6):
            with self.subTest(family=family):
                self.assertFalse(self.reaches(family))
                asked = int(time.time())
                stamp, *what = self.granted_for(self.request(family=family), family=family)
                self.assertEqual(what, [openspa.TCP, SERVICE_PORT, SERVICE_PORT, 2])
                self.assertTrue(asked <= stamp <= time.time())
                self.assertTrue(self.reaches(family))
                self.assert_shuts(family)

    def test_ping(self):
        self.serve()
        for family, protocol in ((4, openspa.ICMP), (6, openspa.ICMPV6)):
            with self.subTest(family=family):
                self.assertFalse(self.pings(family))
                self.granted_for(self.request(protocol=protocol, first=0, family=family),
                                 family=family)
                self.assertTrue(self.pings(family))
                self.assertFalse(self.reaches(family), "ping opens no port")
                self.assertTrue(eventually(lambda f=family: not self.pings(f)))

    def test_ranges(self):
        self.serve()
        self.granted_for(self.request(first=SERVICE_PORT - 1, last=SERVICE_PORT + 10))
        self.assertTrue(self.reaches())
        self.assert_shuts()
        self.granted_for(self.request(first=1, last=65535))
        self.assertTrue(self.reaches())
        self.assert_shuts()
        self.granted_for(self.request(first=SERVICE_PORT + 1, last=SERVICE_PORT + 10))
        self.assertFalse(self.reaches())

    def test_udp_does_not_open_tcp(self):
        self.serve()
        self.granted_for(self.request(protocol=openspa.UDP))
        self.assertFalse(self.reaches())

    def test_both_protocols_side_by_side(self):
        self.serve()
        self.granted_for(self.request(first=9))
        self.knock()
        self.assert_opens()

    def test_sessions_show_device_and_ports(self):
        self.serve({str(self.phone.uuid): {"name": "phone", "rules": ["1-65535/tcp"]}})
        self.granted_for(self.request(first=8000, last=8010))
        shown = self.postern("sessions")
        self.assertIn("phone", shown)
        self.assertIn("8000-8010/tcp", shown)

    def test_rules_decide_on_ports_and_time(self):
        self.serve({str(self.phone.uuid): {"rules": [f"{SERVICE_PORT}/tcp 5s"]}})
        self.assertEqual(self.granted_for(self.request())[-1], 5)
        self.assert_silent(self.request(first=SERVICE_PORT + 1), "no_ports")
        self.assert_silent(self.request(first=SERVICE_PORT, last=SERVICE_PORT + 1))
        self.assert_silent(self.request(protocol=openspa.UDP))

    def test_refreshing_extends(self):
        self.serve(duration="5s")
        for _ in range(4):
            self.granted_for(self.request())
            time.sleep(2)
            self.assertTrue(self.reaches())
        self.assert_shuts()

    def test_reload_revokes(self):
        self.serve(duration="60s")
        self.granted_for(self.request())
        self.assertTrue(self.reaches())
        configuration = self.configuration(guard="all")
        configuration["openspa"] = self.settings(
            duration="60s", clients={str(self.phone.uuid): {"revoked": True}})
        self.daemon.configure(configuration)
        self.postern("reload")
        self.assertFalse(self.reaches())
        self.assert_silent(self.request(), "revoked")

    def test_postern_revoke_and_list(self):
        """At once, by name and by UUID, with what is open; and the file undoes it."""
        self.serve({str(self.phone.uuid): {"name": "phone", "rules": [f"{SERVICE_PORT}/tcp 60s"]}},
                   duration="60s")
        self.granted_for(self.request())
        self.assertTrue(self.reaches())
        self.assertIn("phone", self.postern("revoke", "fone", check=False))
        self.assertTrue(self.reaches())
        self.assertIn('Device "phone" revoked.', self.postern("revoke", "phone"))
        self.assertFalse(self.reaches())
        self.assert_silent(self.request(), "revoked")
        self.granted_for(self.request(self.laptop), self.laptop)
        self.postern("revoke", str(self.laptop.uuid))
        self.assertFalse(self.reaches())
        self.assertIn("was revoked before", self.postern("revoke", str(self.laptop.uuid)))
        self.assert_listed({self.phone: "revoked", self.laptop: "revoked"})
        (self.daemon.folder / f"devices.d/{self.phone.uuid}.revoked").unlink()
        self.postern("reload")
        self.granted_for(self.request())
        self.assert_listed({self.phone: "active", self.laptop: "revoked"})

    def assert_listed(self, devices):
        shown = {d["uuid"]: d for d in json.loads(self.postern("--json", "list"))["devices"]}
        self.assertEqual({uuid: d["status"] for uuid, d in shown.items()},
                         {str(device.uuid): status for device, status in devices.items()})
        phone = shown[str(self.phone.uuid)]
        self.assertEqual(phone["name"], "phone")
        self.assertEqual(phone["rules"], [f"{SERVICE_PORT}/tcp 60s"])
        self.assertEqual(phone["last_address"], self.address(4, self.client))
        text = self.postern("list")
        self.assertRegex(text, rf"(?m)^{self.phone.uuid} +phone +{phone['status']} ")
        self.assertRegex(text, rf"(?m)^{self.laptop.uuid} +- +revoked .* any$")

    def test_reload_with_a_new_key(self):
        """From then on, and not before, the new key opens requests and signs answers."""
        self.serve(duration="60s")
        old, new = self.spa_key, openspa.Key()
        packet = self.request(first=9)
        sealed_for_new = openspa.request(self.phone, new.public, openspa.TCP, SERVICE_PORT,
                                         client=self.address(4, self.client))
        self.assert_silent(sealed_for_new)
        (self.daemon.folder / "server.key").write_text(new.private_pem())
        self.granted_for(self.request(first=10))
        self.postern("reload")
        for sealed_for_old in (packet, self.request(first=11)):
            self.assert_silent(sealed_for_old)
        self.assertFalse(self.reaches())
        answer = self.ask(sealed_for_new)
        self.assertIsNotNone(answer, self.daemon.log_path.read_text())
        _, *what = openspa.open_response(answer, self.phone, new.public)
        self.assertEqual(what, [openspa.TCP, SERVICE_PORT, SERVICE_PORT, 60])
        with self.assertRaises(InvalidSignature):
            openspa.open_response(answer, self.phone, old.public)
        self.assertTrue(self.reaches())

    def test_libcrypto_reads_no_configuration(self):
        """Not where everything is read as root: at a check, the start and a reload. It is the
        system's own, which no variable names, and in their place alone."""
        trap, mark = Path(self.folder) / "openssl.cnf", Path(self.folder) / "loaded"
        trap.write_text(TRAP.format(program("tests/system/loaded.so")))
        path = run("openssl", "version", "-d").split('"')[1] + "/openssl.cnf"
        caught = ["unshare", "--mount", "sh", "-ec",
                  f'mount --bind {trap} "$(realpath {path})"; exec "$@"', "-"]
        with patch.dict(os.environ, LOADED=str(mark)):
            run(*caught, "openssl", "list", "-providers")
            self.assertTrue(mark.exists(), "the trap does not work")
            mark.unlink()
            self.serve()
            self.daemon.stop()
            command = self.daemon.command
            self.daemon.command = lambda *more: [*caught, *command(*more)]
            self.daemon.start()
            run(*self.daemon.command("--check"))
            self.daemon.reload()
            run(*caught, program("postern"), "--config", self.daemon.file, "list")
            self.granted_for(self.request())
        self.assertFalse(mark.exists(), "code was loaded that the system's configuration names")

    def test_an_original_file(self):
        """A server file as the original's: top level, camel case, nothing of ours but a duration."""
        files = {"keys/private.pem": self.spa_key.private_pem(),
                 "keys/public.pem": self.spa_key.public_pem(), **self.files()}
        files.pop("server.key")
        self.start_with_files(
            {"bind": "'::'", "port": PORT, "publicKey": "keys/public.pem",
             "privateKey": "keys/private.pem", "serverIP": self.address(4), "duration": "2s"},
            files)
        self.granted_for(self.request(server=self.address(4)))
        self.assert_silent(self.request(server=FAR), "wrong_server")

    # What is not

    def test_replays(self):
        """As it was, and in a new envelope."""
        self.serve()
        packet = self.request()
        signed, _ = openspa.unwrap(packet, self.spa_key.private)
        self.granted_for(packet)
        self.assert_shuts()
        for _ in range(5):
            self.assert_silent(packet)
            self.assert_silent(openspa.wrap(packet[:2], signed, self.spa_key.public))
        self.assertFalse(self.reaches())
        self.assertTrue(self.verdicts("replayed"))

    def test_replays_after_a_restart(self):
        self.serve()
        packet = self.request()
        self.granted_for(packet)
        for end in (self.daemon.stop, self.daemon.kill):
            end()
            self.server.run("nft", "delete", "table", "inet", "postern", check=False)
            self.daemon.start()
            for family in (4, 6):
                self.assertIsNone(self.ask(packet, family, 0.4))
            self.assertFalse(self.reaches())
        self.assertTrue(self.verdicts("replayed"))
        self.granted_for(self.request())
        self.assertTrue(self.reaches())

    def test_forged_requests(self):
        self.serve()
        stranger = openspa.Device()
        self.assert_silent(self.request(stranger), "unknown_signer")
        self.assert_silent(self.request(signer=self.laptop.key), None)
        other = openspa.Key()
        self.assert_silent(openspa.request(self.phone, other.public, openspa.TCP, SERVICE_PORT))
        self.assertFalse(self.reaches())
        self.granted_for(self.request())
        self.assertTrue(self.reaches())
        # Of the first and the last the doorman tells, of the second the keeper.
        self.assertTrue(eventually(lambda: self.strangers() == ["bad_seal"] + ["unknown_signer"] * 2),
                        self.strangers())

    def strangers(self):
        """The verdicts that the history has of them."""
        path = self.daemon.state / "strangers.log"
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [entry for entry in map(json.loads, lines) if entry["event"] == "stranger"]
        self.assertLessEqual({entry["rule"] for entry in entries}, {"openspa"})
        return sorted(entry["verdict"] for entry in entries)

    def test_stale_and_future(self):
        self.serve()
        now = int(time.time())
        for stamp in (now - 310, now + 310, 0, -1, 2**62, -2**62, 2**63 - 1, -2**63,
                      now + 2**55, now - 2**55):  # these two are now in nanoseconds of 64 bits
            with self.subTest(stamp=stamp):
                self.assert_silent(self.request(timestamp=stamp))
        self.assertTrue(self.verdicts("stale"))
        self.granted_for(self.request(timestamp=int(time.time()) - 280))

    def test_unusable_targets(self):
        self.serve()
        for target in ("127.0.0.1", "255.255.255.255", "fe80::1", "224.0.0.1", self.address(4)):
            with self.subTest(target=target):
                self.assert_silent(self.request(client=target), "target_refused")
        self.assertEqual(len(self.verdicts("target_refused")), 5)
        self.granted_for(self.request())

    def test_targets_of_others(self):
        self.serve(targets=["source"])
        self.assert_silent(self.request(client=FAR), "target_refused")
        self.granted_for(self.request())

    def test_wrong_sizes_and_headers(self):
        self.serve()
        packet = self.request()
        for wrong in (b"", packet[:-1], packet + b"\0", packet + packet[-32:], bytes(610),
                      b"\x18" + packet[1:], b"\x20" + packet[1:], packet[:1] + b"\x02" + packet[2:]):
            self.assert_silent(wrong)
        self.granted_for(packet)

    def test_flipped_bits(self):
        self.serve()
        packet = self.request()
        with self.client.socket(2, 2) as s:
            s.settimeout(1)
            for byte in range(0, len(packet), 7):
                s.sendto(openme.flipped(packet, 8 * byte + byte % 8), (self.address(4), PORT))
                time.sleep(0.04)  # so that each is looked at, and none refused as one too many
            self.assertRaises(TimeoutError, s.recv, 2048)
        self.assertEqual(self.verdicts("busy"), [])
        self.assertEqual(self.settle(), set())
        self.assertFalse(self.reaches())
        self.granted_for(packet)
        self.assertTrue(self.reaches())

    def test_a_dry_run(self):
        """firewall: none answers and logs as if it opened, and touches nothing."""
        self.serve(server={"firewall": "none"}, duration="5s")
        self.assert_silent(self.request(openspa.Device()), "unknown_signer")
        self.assert_silent(self.request(client="127.0.0.1"), "target_refused")
        self.assertEqual(self.daemon.events(message="dry run: would open"), [])
        packet = self.request(first=8000, last=8010)
        self.assertEqual(self.granted_for(packet)[1:], (openspa.TCP, 8000, 8010, 5))
        event, = self.daemon.events(message="dry run: would open")
        self.assertEqual({key: event[key] for key in ("address", "protocol", "ports", "owner")},
                         {"address": self.address(4, self.client), "protocol": "6",
                          "ports": "8000-8010", "owner": str(self.phone.uuid)})
        self.assertRegex(event["timeout"], r"^(5000|[34]\d\d\d)ms$")
        session, = json.loads(self.postern("--json", "sessions"))["active_sessions"]
        self.assertEqual((session["client_name"], session["ip"], session["ports"]),
                         (str(self.phone.uuid), self.address(4, self.client),
                          [{"port": 8000, "end_port": 8010, "proto": "tcp"}]))
        self.assert_silent(packet, "replayed")
        self.assertEqual(len(self.daemon.events(message="dry run: would open")), 1)
        self.assertTrue(self.reaches(), "nothing is shut either")
        self.assertTrue(eventually(lambda: self.daemon.events(message="grant ended")))
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.server.run("nft", "list", "ruleset"), "")

    def test_a_dry_run_of_a_revocation(self):
        """What the device has open ends with its right to it."""
        self.serve(server={"firewall": "none"}, duration="60s")
        self.granted_for(self.request())
        self.granted_for(self.request(self.laptop), self.laptop)
        text = self.daemon.file.read_text()
        self.daemon.configure(
            f"{text}  clients:\n    {self.phone.uuid}:\n      revoked: true\n")
        self.daemon.reload()
        self.assert_silent(self.request(), "revoked")
        session, = json.loads(self.postern("--json", "sessions"))["active_sessions"]
        self.assertEqual(session["client_name"], str(self.laptop.uuid))

    def test_answers_by_policy(self):
        self.serve(answer="never")
        self.assertIsNone(self.ask(self.request(), wait=0.5))
        self.assert_opens()
        self.serve(answer="source-matches")
        self.assertIsNone(self.ask(self.request(client=FAR), wait=0.5))
        self.granted_for(self.request())

    def test_who_was_granted_lately_is_served_during_a_flood_of_requests(self):
        """Many times what there is for all, by what RSA takes here, from very many sources; but not
        more than the machine takes from the socket, which would be another matter."""
        self.serve()
        hurry(self)
        self.granted_for(self.request())
        forger = Forger(self.client, self.address(4), PORT)
        self.addCleanup(forger.close)
        junk = [b"\x10\x01" + os.urandom(608) for _ in range(500)]
        sources = [f"10.77.1.{n}" for n in range(10, 250)]
        rate = 8 * 0.5 / openspa.private_operation_s(self.spa_key)  # half a processor is for all
        with Flood(forger, junk, sources, rate, lambda: self.unread(PORT) > MANY_BYTES) as flood:
            time.sleep(2)
            before = control.stats(self.daemon.control)["busy"]
            answered = sum(self.ask(self.request(), wait=5) is not None for _ in range(40))
            self.assertTrue(
                eventually(lambda: control.stats(self.daemon.control)["busy"] > before),
                f"time enough for {flood.sent} at {rate:.0f} a second, which proves nothing")
        self.assertGreaterEqual(answered, 38, f"of 40, beside {flood.sent}")

    def test_knocks_go_on_during_a_flood_of_requests(self):
        """From one source, which gets its share and no more: most of it is dropped unread."""
        self.serve()
        with self.client.socket(2, 2) as s:
            for _ in range(3000):
                s.sendto(b"\x10\x01" + os.urandom(608), (self.address(4), PORT))
                if _ % 1000 == 500:
                    self.knock()
        self.assert_opens()
        self.settle()
        counted = control.stats(self.daemon.control)
        self.assertGreater(counted["busy"], counted["bad_seal"])

