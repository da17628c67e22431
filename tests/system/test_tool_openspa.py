"""postern request and get-ip: their packets are opened, and answers made, by other code."""

import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import spa_server
from daemon import program
from netns import PATIENCE, eventually
from openspa import ICMP, ICMPV6, IPV4, TCP, UDP
from openspa import address_bytes as address
from spa_tool import DEVICE, SOON, SpaTest, need_openspa
from test_echoip import PROGRAM as ECHO_IP
from test_echoip import Service, make_certificate
from tool import CONFIG, FAILED, NO_ANSWER, USAGE


def setUpModule():
    need_openspa()


class Asking(SpaTest):
    def test_every_field(self):
        server = self.serve()
        before = int(time.time())
        text = self.ask(server, "-p", 22)
        self.assertEqual(text, "TCP port 22 granted to 127.0.0.1 for 1m0s.\n")
        [request] = server.requests
        self.assertTrue(before <= request.time <= time.time())
        self.assertEqual(request.device.hex(), DEVICE.replace("-", ""))
        self.assertEqual(request[3:9], (TCP, 22, 22, 1, 0, 0))
        self.assertEqual((request.client, request.server), (address("127.0.0.1"),) * 2)

    def test_protocols_and_ports(self):
        server = self.serve()
        for words, want in ((["--protocol", "UDP", "--port=53"], (UDP, 53, 53)),
                            (["-p", "8000", "--end-port", "8010"], (TCP, 8000, 8010)),
                            (["--protocol", "icmp"], (ICMP, 0, 0)),
                            (["--protocol", "ICMPv6"], (ICMPV6, 0, 0)),
                            (["--protocol", "ipv4", "-p", "0"], (IPV4, 0, 0))):
            self.ask(server, *words)
            self.assertEqual(server.requests[-1][3:6], want)

    def test_json(self):
        server = self.serve()
        told = self.asked_json(server, "-p", 80, "-c", "203.0.113.7", "-n")
        self.assertEqual(
            {k: told[k] for k in told if k not in ("time", "until")},
            {"server": "127.0.0.1", "server_port": server.port, "device": DEVICE,
             "client": "203.0.113.7", "behind_nat": True, "protocol": "TCP", "first_port": 80,
             "last_port": 80, "requests": 1, "granted": True, "duration_s": 60})
        self.assertEqual(server.requests[0].flags, 0x80)
        self.assertEqual(server.requests[0].client, address("203.0.113.7"))

    def test_quiet(self):
        self.assertEqual(self.ask(self.serve(), "-p", 22, "--quiet"), "")

    def test_ipv6(self):
        server = self.serve(family=socket.AF_INET6, address="::1")
        self.ask(server, "-p", 22)
        self.assertEqual(server.requests[0].server, address("::1"))
        self.assertEqual(server.requests[0].client, address("::1"))

    def test_server_by_name(self):
        server = self.serve()
        words = ["request", self.ospa, "--server", "localhost", "--server-port", server.port]
        self.tool(*words, "-4", "-p", 22)
        self.tool(*self.words(server, "-6", "-p", 22), code=USAGE)

    def test_the_file_names_the_server(self):
        server = self.serve()
        text = self.ospa.read_text()
        self.write(self.ospa, text.replace('serverIp: ""', "serverIp: 127.0.0.1")
                   .replace("22211", str(server.port)))
        self.tool("request", self.ospa, "-p", 22)
        self.assertEqual(len(server.requests), 1)

    def test_keys_by_option(self):
        server = self.serve()
        private = self.write(self.room / "key", spa_server.private_pem(self.client_key))
        public = self.write(self.room / "pub", spa_server.public_pem(self.client_key), 0o644)
        of_server = self.write(self.room / "srv", spa_server.public_pem(self.server_key), 0o644)
        words = ["request", "-s", server.address, "--server-port", server.port, "-p", 22]
        keys = ["--private-key", private, "--server-public-key", of_server]
        identity = ["--client-device-id", DEVICE.upper()]
        self.tool(*words, *keys, *identity, "--public-key", public)
        self.tool(*words, *keys, *identity)
        self.assertEqual({r.device.hex() for r in server.requests}, {DEVICE.replace("-", "")})
        for lacking in (keys, identity + keys[:2], identity + keys[2:]):
            self.tool(*words, *lacking, code=USAGE)
        self.tool(*words, *keys, *identity, "--public-key", of_server, code=CONFIG)
        private.chmod(0o644)
        self.tool(*words, *keys, *identity, code=CONFIG)

    def test_mistakes(self):
        server = self.serve()
        for words in ([], ["-p", 0], ["-p", 70000], ["-p", "ssh"], ["-p", 30, "--end-port", 20],
                      ["-p", 22, "--protocol", "sctp"],
                      ["-p", 22, "--end-port", 20, "--protocol", "icmp"], ["-p", 22, "-r", 0], ["-p", 22, "-r", -2], ["-p", 22, "--timeout", 0],
                      ["-p", 22, "-c", "me"], ["-p", 22, "-c", "::1"], ["-p", 22, "-c", "0.0.0.0"],
                      ["-p", 22, "--echo-ipv4-server", "file:///etc/passwd"],
                      ["-p", 22, "--client-device-id", "alice"], ["-p", 22, "more"]):
            self.ask(server, *words, code=USAGE)
        self.tool("request", self.ospa, "-p", 22, code=USAGE)  # that file names no server
        self.assertEqual(server.requests, [])


class Answers(SpaTest):
    def refused(self, answer, complaint, *more):
        server = self.serve(answer)
        done = self.run_tool(*self.words(server, "-p", 22, *SOON, *more))
        self.assertEqual((done.returncode, done.stdout), (NO_ANSWER, ""), done.stderr)
        self.assertRegex(done.stderr, complaint)

    def good(self, **more):
        return spa_server.response(self.server_key, self.client_key, **more)

    def test_silence(self):
        self.refused(lambda _: [], "no answer from 127.0.0.1 .* to 1 request; .* silent")

    def test_nobody_there(self):
        server = self.serve()
        words = self.words(server, "-p", 22, *SOON)
        words[words.index(server.port)] = 9
        self.tool(*words, code=NO_ANSWER)

    def test_bad_answers(self):
        flipped = bytearray(self.good())
        flipped[400] ^= 1
        not_ours = "did not sign"
        for packet, complaint in (
                (spa_server.response(self.stranger, self.client_key), not_ours),
                (spa_server.response(self.server_key, self.stranger), not_ours),
                (bytes(flipped), not_ours), (self.good()[:-1], not_ours),
                (self.good() + b"x", not_ours), (b"", not_ours), (os.urandom(562), not_ours),
                (self.good(duration=0), not_ours),
                (self.good(first=23, last=23), "other ports"), (self.good(last=23), "other ports"),
                (self.good(protocol=UDP), "other ports"),
                (self.good(when=-400), "clock"), (self.good(when=400), "clock")):
            self.refused(lambda _, packet=packet: [packet], complaint)

    def test_bad_answers_before_the_good_one(self):
        server = self.serve(lambda request: [b"junk", os.urandom(562), self.good(first=1, last=2),
                                             self.good(when=-290, duration=90), self.good()])
        self.assertEqual(self.asked_json(server, "-p", 22)["duration_s"], 90)

    def test_junk_without_end_does_not_hold_us(self):
        self.refused(lambda _: [b"junk", 0.001] * 3000, "did not sign")

    def test_late_answer_to_the_first_of_two_requests(self):
        server = self.serve(lambda request: [4.5, self.good()] if len(server.requests) == 1 else [])
        told = self.asked_json(server, "-p", 22, "--timeout", "3s", "-r", 3)
        self.assertEqual((told["granted"], told["requests"]), (True, 2))

    def test_too_late(self):
        self.refused(lambda _: [4, self.good()], "silent")

    def test_every_request_is_another(self):
        server = self.serve(lambda _: [])
        told = self.asked_json(server, "-p", 22, "--timeout", "100ms", "-r", 4, code=NO_ANSWER)
        self.assertEqual((told["granted"], told["requests"]), (False, 4))
        self.assertTrue(eventually(lambda: len(server.requests) == 4))
        self.assertEqual(len({r.nonce for r in server.requests}), 4)
        self.assertEqual(server.wrong, [])

    def test_requests_without_end(self):
        server = self.serve(lambda _: self.grants() if len(server.requests) == 6 else [])
        self.ask(server, "-p", 22, "--timeout", "100ms", "-r", -1)

    def grants(self):
        return [self.good()]

    def test_auto_mode(self):
        """An answer of the round before, sent again, is not taken for a new one."""
        kept = self.good(duration=1)
        server = self.serve(
            lambda _: [kept] if len(server.requests) == 1 else [kept, self.good(duration=1)])
        tool = subprocess.Popen([program("postern"), *map(str, self.words(server, "-a", "-p", 22,
                                                                          "--json"))],
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(eventually(lambda: len(server.requests) >= 4))
        tool.send_signal(signal.SIGTERM)
        out, err = tool.communicate(timeout=PATIENCE)
        self.assertEqual((tool.returncode, err), (0, ""))
        rounds = [json.loads(line) for line in out.splitlines()]
        self.assertGreaterEqual(len(rounds), 3)
        self.assertEqual({r["requests"] for r in rounds}, {1})

    def test_auto_mode_refuses_the_same_answer_again(self):
        kept = self.good(duration=1)
        done = self.run_tool(*self.words(self.serve(lambda _: [kept]), "-a", "-p", 22, *SOON))
        self.assertEqual(done.returncode, NO_ANSWER)
        self.assertIn("taken before", done.stderr)
        self.assertEqual(done.stdout.count("granted"), 1)


class FakeEcho(http.server.BaseHTTPRequestHandler):
    body, status, headers_out = b"", 200, {}

    def do_POST(self):
        self.send_response(self.status)
        for name, value in self.headers_out.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST  # what a redirect makes of it

    def log_message(self, *_):
        pass


class Discovery(SpaTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def fake(self, body, status=200, family=socket.AF_INET, **headers):
        """The URL of a service that gives this answer."""
        handler = type("Handler", (FakeEcho,),
                       {"body": body.encode(), "status": status, "headers_out": headers})
        host = "[::1]" if family == socket.AF_INET6 else "127.0.0.1"
        kind = type("Web", (http.server.ThreadingHTTPServer,), {"address_family": family})
        web = kind((host.strip("[]"), 0), handler)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        return f"http://{host}:{web.server_port}"

    @staticmethod
    def says(ip, **more):
        return json.dumps({"success": True, "ip": ip, "isIpv6": ":" in ip, **more})

    def asked_with(self, url, *more, code=0, **how):
        return self.ask(self.server, "-p", 22, "--echo-ipv4-server", url,
                        *(SOON if code else ()), *more, code=code, **how)

    def test_what_it_says_is_asked_for(self):
        self.asked_with(self.fake(self.says("203.0.113.9", extra=[1, {"ip": "no"}, None, -1.5e3])))
        self.assertEqual(self.server.requests[-1].client, address("203.0.113.9"))
        self.assertEqual(self.server.requests[-1].flags, 0x80)
        self.asked_with(self.fake(self.says("127.0.0.1")))
        self.assertEqual(self.server.requests[-1].flags, 0)

    def test_the_service_of_the_file(self):
        url = self.fake(self.says("203.0.113.10"))
        self.write(self.ospa, self.ospa.read_text().replace("https://ipv4.ip.openspa.org", url))
        self.ask(self.server, "-p", 22)
        self.assertEqual(self.server.requests[-1].client, address("203.0.113.10"))
        self.write(self.ospa, self.ospa.read_text().replace(url, "http://127.0.0.1:9"))
        done = self.run_tool(*self.words(self.server, "-p", 22))
        self.assertEqual(self.server.requests[-1].client, address("127.0.0.1"))
        self.assertIn("naming its own", done.stderr)

    def test_client_ip_goes_before(self):
        self.asked_with(self.fake(self.says("203.0.113.9")), "-c", "198.51.100.1")
        self.assertEqual(self.server.requests[-1].client, address("198.51.100.1"))
        self.assertEqual(self.server.requests[-1].flags, 0)

    def test_bad_answers(self):
        good = self.says("203.0.113.9")
        for body in ("", "{}", "203.0.113.9", good[:-1], good + "x", good + good, f"[{good}]",
                     good.replace("true", "false"), good.replace('"ip"', '"IP"'),
                     good.replace(".9", ".999"), good.replace('"203.0.113.9"', "9"),
                     good.replace("{", '{"ip": "198.51.100.1", '), self.says("::1"),
                     self.says("0.0.0.0"), good.replace("}", ', "x": ' + "[" * 5000 + "}"),
                     good + " " * 5000, good.replace("}", ', "a": "\n"}')):
            self.asked_with(self.fake(body), code=FAILED)
        self.asked_with(self.fake(good, 500), code=FAILED)
        self.asked_with(self.fake("", 302, Location=self.fake(good)), code=FAILED)
        self.assertEqual(self.server.requests, [])

    def test_no_proxy(self):
        proxy = self.fake(self.says("198.51.100.66"))
        self.asked_with(self.fake(self.says("203.0.113.9")), environment={
            "http_proxy": proxy, "ALL_PROXY": proxy})
        self.assertEqual(self.server.requests[-1].client, address("203.0.113.9"))

    def test_get_ip(self):
        url = self.fake(self.says("203.0.113.9", ipDetails={
            "remoteIP": "198.51.100.2", "forwardedForIP": "203.0.113.9"}))
        text = self.tool("get-ip", "--echo-ipv4-server", url, "--echo-ipv6-server",
                         "http://[::1]:9")
        above, below = text.split("-----------------------------\n")
        self.assertRegex(above, r"^(Outbound IPv4: \S.*\n)Public IPv4: 203\.0\.113\.9\n"
                                r"Last public proxy IPv4: 198\.51\.100\.2\n"
                                r"Client behind IPv4 NAT: (true|SKIPPING)\n$")
        self.assertRegex(below, r"^No IPv6 connectivity\n$|Public IPv6: FAILED TO RESOLVE\n")
        told = json.loads(self.tool("get-ip", "-4", "--json", "--echo-ipv4-server", url))
        self.assertEqual(list(told), ["ipv4"])
        self.assertEqual(told["ipv4"]["public"], "203.0.113.9")
        self.tool("get-ip", "-6", "--echo-ipv6-server", "http://[::1]:9", code=FAILED)

    def test_get_ip_public(self):
        """A line for each that is known, and nothing else."""
        four = ("--echo-ipv4-server", self.fake(self.says("203.0.113.9")))
        six = ("--echo-ipv6-server", self.fake(self.says("2001:db8::9"), family=socket.AF_INET6))
        nobody = ("--echo-ipv6-server", "http://[::1]:9")
        for words, text in (([*four, *six], "203.0.113.9\n2001:db8::9\n"),
                            (["-6", *six], "2001:db8::9\n"), ([*four, *nobody], "203.0.113.9\n")):
            self.assertEqual(self.tool("get-ip", "--public", *words), text)

    def test_get_ip_does_not_wait_longer_than_it_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            began = time.monotonic()
            self.tool("get-ip", "-4", "--echo-ipv4-server", url, "--timeout", "300ms", code=FAILED)
            self.assertLess(time.monotonic() - began, 5, "that is without the option")
        for text in ("0s", "soon", "-1s", ""):
            done = self.run_tool("get-ip", "--timeout", text)
            self.assertEqual(done.returncode, USAGE)
            self.assertIn(f'--timeout "{text}": expected ', done.stderr)


@unittest.skipUnless(ECHO_IP.is_file(), "built without postern-echoip")
class WithPosternEchoip(SpaTest):
    def test_http_https_and_both_families(self):
        cert, key = make_certificate(self.room)
        with Service("--cert", cert, "--key", key) as echo:
            four, six = self.serve(), self.serve(family=socket.AF_INET6, address="::1")
            nobody = {"CURL_CA_BUNDLE": "", "SSL_CERT_FILE": ""}
            for scheme, trust in (("http", {}), ("https", {"CURL_CA_BUNDLE": str(cert)}),
                                  ("https", {"SSL_CERT_FILE": str(cert)})):
                self.ask(four, "-p", 22, "--echo-ipv4-server",
                         f"{scheme}://127.0.0.1:{echo.ports[scheme]}", environment=nobody | trust)
                self.ask(six, "-p", 22, "--echo-ipv6-server",
                         f"{scheme}://[::1]:{echo.ports[scheme]}", environment=nobody | trust)
            self.assertEqual({r.client for r in four.requests}, {address("127.0.0.1")})
            self.assertEqual({r.client for r in six.requests}, {address("::1")})
            self.assertEqual((len(four.requests), len(six.requests)), (3, 3))
            url = f"https://127.0.0.1:{echo.ports['https']}"
            self.ask(four, "-p", 22, "--echo-ipv4-server", url, code=FAILED,
                     environment=nobody)
            url = f"https://localhost:{echo.ports['https']}"  # not a name in the certificate
            self.ask(four, "-p", 22, "--echo-ipv4-server", url, code=FAILED,
                     environment={"CURL_CA_BUNDLE": str(cert)})
            self.assertEqual(len(four.requests), 3)


if __name__ == "__main__":
    unittest.main()
