"""The address that Echo-IP services tell the server of, in place of server_ip.

The services run in `other`, which sees the server come from elsewhere, as behind NAT."""

import http.server
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import openspa
from daemon import BUILD, Daemon, command_line, descendants, program
from netns import eventually
from spa_world import FAR, PORT, SpaWorldTest

PUBLIC = {4: "198.51.100.7", 6: "2001:db8:f00::7"}
FAR_BY_FAMILY = {4: FAR, 6: "2001:db8:bad::1"}
ECHO_IP = BUILD / "postern-echoip"
ECHO_PORT = 8080
SEEN_ELSEWHERE = f"""
table ip nat {{
    chain in {{
        type nat hook input priority 100
        tcp dport {ECHO_PORT} snat to {PUBLIC[4]}
    }}
}}
table ip6 nat {{
    chain in {{
        type nat hook input priority 100
        tcp dport {ECHO_PORT} snat to {PUBLIC[6]}
    }}
}}
"""
LEARNED = "learned this server's public address"
FAILED = "cannot learn this server's public address"


def says(ip):
    return f'{{"success": true, "ip": "{ip}"}}'.encode()


class Fake(http.server.BaseHTTPRequestHandler):
    """Answers with `body`, after `delay` seconds."""

    body, status, headers_out, delay = b"", 200, {}, 0

    def do_POST(self):
        self.server.asked += 1
        time.sleep(self.delay)
        self.send_response(self.status)
        for name, value in self.headers_out.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(self.body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


@unittest.skipUnless(ECHO_IP.is_file(), "built without postern-echoip")
class PublicAddress(SpaWorldTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other.nft(SEEN_ELSEWHERE)
        for family in (4, 6):
            cls.other.ip("route", "add", PUBLIC[family], "via", cls.server.addresses[2][family])
        cls.service = cls.other.popen(ECHO_IP, "--port", ECHO_PORT, "--https-port", 0,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for family in (4, 6):
            assert eventually(lambda f=family: cls.server.connects(
                cls.other.addresses[2][f], ECHO_PORT)), "postern-echoip did not start"

    @classmethod
    def tearDownClass(cls):
        cls.service.kill()
        cls.service.wait()
        super().tearDownClass()

    def url(self, family, port=ECHO_PORT):
        address = self.other.addresses[2][family]
        return f"http://[{address}]:{port}" if family == 6 else f"http://{address}:{port}"

    def fake(self, body=b"", family=4, **more):
        """The URL of a service that answers so, and the service."""
        kind = type("Handler", (Fake,), {"body": body, **more})
        server = type("Server", (http.server.ThreadingHTTPServer,), {
            "address_family": socket.AF_INET6 if family == 6 else socket.AF_INET,
            "daemon_threads": True})
        with self.other.entered():
            web = server((self.other.addresses[2][family], 0), kind)
        web.asked = 0
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        return self.url(family, web.server_port), web

    def granted(self, server, family=4):
        self.granted_for(self.request(family=family, server=server), family=family)
        self.assert_shuts(family)

    def refused(self, server, family=4):
        before = len(self.verdicts("wrong_server"))
        self.assertIsNone(self.ask(self.request(family=family, server=server), family, 0.3))
        # The log is limited by verdict: counted only, when it has said so a moment ago.
        self.assertTrue(before or eventually(lambda: self.verdicts("wrong_server")))

    def failed(self, **fields):
        lines = self.daemon.events(message=FAILED, **fields)
        self.assertEqual(len(lines), 1, self.daemon.log_path.read_text())
        self.assertEqual(lines[0]["remedy"], "set server_ip")
        self.assertEqual(lines[0]["level"], "warn")
        return lines[0]["why"]

    # What is learned

    def test_both_families(self):
        self.serve(echo_ipv4_server=self.url(4), echo_ipv6_server=self.url(6))
        told = {line["address"] for line in self.daemon.events(message=LEARNED)}
        self.assertEqual(told, set(PUBLIC.values()), self.daemon.log_path.read_text())
        for family in (4, 6):
            with self.subTest(family=family):
                self.granted(PUBLIC[family], family)
                self.granted(self.address(family), family)
                self.refused(FAR_BY_FAMILY[family], family)
                self.granted(self.server.addresses[2][family], family)

    def test_the_other_family_is_left_open(self):
        """Nothing is known of it: nobody is locked out."""
        self.serve(echo_ipv4_server=self.url(4))
        self.granted(PUBLIC[4])
        self.refused(FAR)
        self.granted(FAR_BY_FAMILY[6])
        self.serve(echo_ipv6_server=self.url(6))
        self.granted(PUBLIC[6])
        self.refused(FAR_BY_FAMILY[6])
        self.granted(FAR)

    def test_an_original_file_that_names_a_service(self):
        files = {"keys/private.pem": self.spa_key.private_pem(), **self.files()}
        files.pop("server.key")
        self.start_with_files(
            {"port": PORT, "privateKey": "keys/private.pem", "duration": "2s",
             "echoIpv4Server": self.url(4)}, files)
        self.granted_for(self.request(server=PUBLIC[4]))
        self.refused(FAR)

    def test_a_reload_keeps_it_and_asks_nobody(self):
        url, web = self.fake(says(PUBLIC[4]))
        self.serve(echo_ipv4_server=url)
        self.assertEqual(web.asked, 1)
        self.daemon.reload()
        self.assertEqual(web.asked, 1)
        self.granted(PUBLIC[4])
        self.refused(FAR)

    # Who is asked, and when

    def test_server_ip_goes_before(self):
        url, web = self.fake(says(PUBLIC[4]))
        for server_ip in ([FAR], ["0.0.0.0"]):
            self.serve(server_ip=server_ip, echo_ipv4_server=url)
            self.granted(FAR)
        self.assertEqual(web.asked, 0)

    def test_nobody_is_asked_unless_named(self):
        self.serve()
        self.assertEqual(self.daemon.events(message=LEARNED), [])
        self.assertEqual(self.daemon.events(message=FAILED), [])
        self.granted(FAR)

    def test_a_check_asks_nobody(self):
        url, web = self.fake(says(PUBLIC[4]))
        self.serve(echo_ipv4_server=url)
        self.server.run(program("posternd"), "-c", self.daemon.file, "--check")
        self.assertEqual(web.asked, 1)

    # What is not believed, and does not keep it from starting

    def test_bad_answers(self):
        for name, service in {
                "garbage": {"body": b"\x00\xff<html>"},
                "bare address": {"body": PUBLIC[4].encode()},
                "very long": {"body": says(PUBLIC[4]) + b" " * (1 << 20)},
                "redirect": {"status": 302, "headers_out": {"Location": self.url(4)}},
                "error": {"body": says(PUBLIC[4]), "status": 500},
                "other family": {"body": says(PUBLIC[6])},
                "loopback": {"body": says("127.0.0.1")},
                "multicast": {"body": says("224.0.0.1")},
                "forged line": {"body": says('1.2.3.4\\n{"level": "error"}')}}.items():
            with self.subTest(name):
                url, web = self.fake(**service)
                self.serve(echo_ipv4_server=url)
                self.assertEqual(web.asked, 1)
                self.assertTrue(self.failed(**{"from": url}))
                self.granted_for(self.request(server=FAR))

    def test_nobody_there(self):
        url = self.url(4, 9)
        self.serve(echo_ipv4_server=url, echo_ipv6_server=self.url(6))
        self.assertIn("connect", self.failed(**{"from": url}))
        self.granted(FAR)
        self.refused(FAR_BY_FAMILY[6])

    def test_who_does_not_answer_is_not_waited_for(self):
        url, _ = self.fake(says(PUBLIC[4]), delay=600)
        url6, _ = self.fake(says(PUBLIC[6]), family=6, delay=600)
        self.serve(echo_ipv4_server=url, echo_ipv6_server=url6)
        self.assertTrue(self.failed(**{"from": url}))
        self.assertTrue(self.failed(**{"from": url6}))
        self.granted(FAR)

    def test_an_unknown_certificate_is_refused(self):
        self.serve(echo_ipv4_server=self.url(4).replace("http:", "https:"))
        self.failed()
        self.granted(FAR)

    # How the question is asked

    def test_the_one_who_asks_has_no_rights(self):
        url, _ = self.fake(says(PUBLIC[4]), delay=4)
        configuration = self.configuration(guard="all")
        configuration["openspa"] = self.settings(echo_ipv4_server=url)
        seen = {}
        starter = threading.Thread(target=self.start_with_files,
                                   args=(configuration, self.files()))
        starter.start()
        self.assertTrue(eventually(lambda: seen.update(asker()) or seen))
        starter.join()
        self.assertNotIn("0", seen["Uid"].split() + seen["Gid"].split())
        self.assertEqual(seen["Groups"].strip(), "")
        for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(seen[which], 16), 0, which)
        self.assertEqual(seen["NoNewPrivs"], "1")
        self.assertEqual(set(seen["environment"]), {"PATH", "LANG"})
        self.assertEqual(asker(), {}, "it is still there")

    def start_rogue(self, url):
        """The daemon with another program in the tool's place: see rogue_asker.c."""
        programs = Path(tempfile.mkdtemp(dir=self.folder))
        for name in ("posternd", "postern-doorman", "postern-keeper", "postern-desk"):
            shutil.copy(BUILD / name, programs / name)
        shutil.copy(program("tests/system/rogue_asker"), programs / "postern")
        configuration = self.configuration(guard="all")
        configuration["openspa"] = self.settings(echo_ipv4_server=url)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, configuration)
        for name, text in self.files().items():
            (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        command = self.daemon.command
        self.daemon.command = lambda *more: [programs / "posternd", *command(*more)[1:]]
        self.daemon.start()

    def test_one_that_was_taken_over(self):
        """In its place a program that tries what it must not do, and says what it could."""
        room = self.folder / "room"
        room.mkdir()
        for name, mode in (("old", 0o666), ("secret", 0o600)):
            (room / name).touch()
            (room / name).chmod(mode)
        room.chmod(0o777)
        self.start_rogue(f"http://192.0.2.1{room}")
        event, = self.daemon.events(message=FAILED)
        self.assertEqual(event["why"], "could do:")
        self.assertEqual(sorted(p.name for p in room.iterdir()), ["old", "secret"])

    def test_one_that_was_taken_over_and_stays(self):
        url = f"http://192.0.2.1/stays{self.folder}"
        self.start_rogue(url)
        self.assertEqual(self.failed(), "no answer in time")
        # Whoever its child belongs to now.
        self.assertTrue(eventually(lambda: not [
            path for path in Path("/proc").glob("[0-9]*") if url.encode() in command_line(path.name)
        ]), "it, or its child, is still there")

    def test_what_one_that_was_taken_over_says(self):
        """It is the daemon that looks at it."""
        good = f"{PUBLIC[4]},"
        self.start_rogue(f"http://192.0.2.1/says/{good}")
        self.assertTrue(self.daemon.events(message=LEARNED, address=PUBLIC[4]))
        for said in (PUBLIC[4], good + good, "," + good, good + ",", f"{PUBLIC[6]},",
                     "127.0.0.1,", "224.0.0.1,", "0.0.0.0,", "198.51.100.7%1,", "",
                     "1" * 200 + ","):
            with self.subTest(said=said):
                self.daemon.close()
                self.start_rogue(f"http://192.0.2.1/says/{said}")
                self.failed()
                self.assertEqual(self.daemon.events(message=LEARNED), [])


def asker():
    """What /proc tells of a running `postern get-ip` that is our daemon's, or nothing."""
    for pid in descendants(os.getpid()):
        try:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
            if words[0] != "postern" or "get-ip" not in words:
                continue
            lines = open(f"/proc/{pid}/status").read().splitlines()
            environment = open(f"/proc/{pid}/environ").read().split("\0")
        except OSError:
            continue
        return {**dict(line.split(":\t", 1) for line in lines if ":\t" in line),
                "environment": [word.split("=")[0] for word in environment if word]}
    return {}


if __name__ == "__main__":
    unittest.main()
