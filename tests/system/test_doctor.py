"""postern doctor: every check is red when there is what it looks for, and only then. Firewalls have
test_doctor_firewall.py, units tests/boot/test_doctor_booted.py, clocks and counts tests/unit/test_doctor.c."""

import os
import re
import shutil
import socket
import subprocess
import time

import openme
from daemon import program
from doctor import ILL, UNPRIVILEGED, WELL, DoctorTest
from netns import eventually
from test_ladder import lacking
from test_stay import Guard
from world import FAMILIES, KNOCK_PORT

IN_MOUNTS = ("unshare", "--mount", "sh", "-ec")
UNITS = ("posternd", "postern-guard", "postern-web", "postern-echoip")
CHECKS = ["configuration", "files", "clock", "kernel", "connections", "daemon", "units", "firewall",
          "published ports", "interface", "knock port", "leftovers"]


class WellTest(DoctorTest):
    def test_well(self):
        self.start()
        found = self.assert_well()
        seen = list(dict.fromkeys(line["check"] for line in found["checks"]))
        self.assertEqual(seen, CHECKS)
        for line in found["checks"]:
            self.assertTrue(line["text"])
            if line["state"] == "ok":
                self.assertIsNone(line["remedy"])
        self.knock()
        self.assert_opens()
        self.assertIn("1 grants in force", str(self.of(self.doctor(), "ok", "daemon")))

    def test_changes_nothing(self):
        self.start()
        before = self.server.run("nft", "list", "ruleset"), self.files()
        self.doctor("--online")
        self.assertEqual((self.server.run("nft", "list", "ruleset"), self.files()), before)

    def files(self):
        return {p: p.stat().st_mtime_ns for p in self.daemon.state.rglob("*")}

    def test_for_people(self):
        """A line a finding, the same as for programs; --quiet has only what is not well."""
        self.start()
        lines = self.postern("doctor", "--state-dir", self.daemon.state).splitlines()
        found = self.doctor()["checks"]
        self.assertRegex(lines[-1], r"^\d+ ok, \d+ warnings, \d+ problems, \d+ not looked at$")
        said = self.said(lines[:-1])
        self.assertEqual([line.split()[0] for line in said], [line["state"] for line in found])
        for line, data in zip(said, found):
            self.assertIn(data["check"], line)
        quiet = self.postern("doctor", "--quiet", "--state-dir", self.daemon.state).splitlines()
        self.assertEqual(self.said(quiet), [
            line for line, data in zip(said, found) if data["state"] in ("warning", "problem")])

    @staticmethod
    def said(lines):
        """The findings, without the time of day."""
        return [re.sub(r"\d\d:\d\d:\d\dZ", "", line) for line in lines
                if line and not line.startswith(" ")]

    def test_without_rights(self):
        self.start()
        found = self.doctor(user=UNPRIVILEGED, code=WELL)
        for check in ("configuration", "daemon", "firewall", "leftovers"):
            lines = self.of(found, "unknown", check)
            others = any(map(self.is_of_another_test, self.of(found, "warning", check)))
            self.assertTrue(lines or others, check)
        self.assertIn("sudo postern doctor", [line["remedy"] for line in found["checks"]])

    def test_many_clients(self):
        clients = {f"c{i}": self.client_entry(openme.ClientKey()) for i in range(254)}
        self.start(self.configuration(clients))
        found = self.assert_well()
        self.assertIn(": 257 clients", self.of(found, "ok", "configuration")[0]["text"])

    def test_no_program(self):
        """A client's host has none of what the server needs."""
        self.start()
        alone = self.folder / "alone"
        shutil.copy(program("postern"), alone)
        done = subprocess.run([alone, "doctor"], text=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("which comes with the server", done.stderr)


class IllTest(DoctorTest):
    def test_no_daemon(self):
        self.start()
        self.daemon.stop()
        line = self.finding("daemon", "problem", "posternd is not running", code=ILL)
        self.assertRegex(line["remedy"], r"\bstart posternd$")
        self.finding("knock port", "ok", "is free for the daemon")
        (self.daemon.state / "accepted").unlink()
        self.server.run("nft", "flush", "ruleset")
        for check, text in (("daemon", "posternd is not running"), ("firewall", "no port is shut")):
            line = self.finding(check, "problem", text, code=ILL)
            self.assertEqual(line["remedy"], "postern activate")  # the first time on trial

    def test_a_daemon_that_does_not_answer(self):
        self.start()
        self.daemon.stop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as mute:
            mute.bind(str(self.daemon.control))
            mute.listen(5)
            line = self.finding("daemon", "problem", "does not answer", code=ILL)
        self.assertRegex(line["remedy"], r"\brestart posternd$")

    def test_configuration(self):
        self.start()
        self.daemon.configure("server: [\n")
        line = self.finding("configuration", "problem", "config.yaml:", code=ILL)
        self.assertIn("postern config check", line["remedy"])
        self.daemon.file.unlink()
        line = self.finding("configuration", "problem", "there is no such file", code=ILL)
        self.assertIn("postern init --server", line["remedy"])

    def test_a_key_that_others_can_read(self):
        self.start()
        self.daemon.file.chmod(0o644)
        self.finding("configuration", "problem", "config.yaml", code=ILL)

    def test_a_warning_of_the_configuration(self):
        self.start(self.configuration({"carol": {**self.client_entry(openme.ClientKey()),
                                                 "allowed_ports": ["nowhere"]}}))
        self.finding("configuration", "warning", "carol")

    def test_state_folder(self):
        self.start()
        self.daemon.state.chmod(0o755)
        line = self.finding("files", "problem", str(self.daemon.state), code=ILL)
        subprocess.run(line["remedy"], shell=True, check=True)
        self.assert_well()
        os.chown(self.daemon.state, UNPRIVILEGED, UNPRIVILEGED)
        line = self.finding("files", "problem", str(self.daemon.state), code=ILL)
        subprocess.run(line["remedy"], shell=True, check=True)
        self.assert_well()

    def test_room(self):
        self.start()
        for options, state, text in (("size=1m", "problem", "has room for 1 MiB"),
                                     ("size=32m", "warning", "has room for 32 MiB"),
                                     ("size=99m,nr_inodes=9", "problem", "files"),
                                     ("ro,size=99m", "problem", "cannot be written")):
            with self.subTest(options=options):
                place = (*IN_MOUNTS, f'mount -t tmpfs -o mode=0700,{options} tmpfs "$0"; exec "$@"',
                         self.daemon.state)
                self.finding("files", state, text, place=place)

    def test_clock_set_back(self):
        """The daemon has written what is dated later."""
        self.start()
        later = time.time() + 86400
        os.utime(self.daemon.state / "accepted", (later, later))
        line = self.finding("clock", "problem", "a time that is over", code=ILL)
        self.assertIn("date --set", line["remedy"])

    def test_kernel(self):
        self.start()
        for what, layer in (("landlock", "landlock"), ("seccomp", "seccomp")):
            line = self.finding("kernel", "problem", f"there is no {layer}", place=lacking(what))
            self.assertIn("server.sandbox: best", line["remedy"])
        self.finding("kernel", "problem", "no nf_tables", place=lacking("nf_tables"))
        self.daemon.configure(self.configuration(sandbox="best"))
        self.finding("kernel", "warning", "there is no landlock", place=lacking("landlock"))

    def test_the_daemon_goes_without(self):
        configuration = self.configuration(sandbox="best")
        self.start(configuration)
        self.daemon.stop()
        command = self.daemon.command
        self.daemon.command = lambda *more: [*lacking("landlock"), *command(*more)]
        self.daemon.start()
        self.finding("daemon", "warning", "it runs without landlock")

    def test_guard(self):
        self.start()
        self.finding("daemon", "warning", "no postern-guard stands by")
        self.daemon.stop()
        guard = Guard(self.daemon)
        try:
            guard.start()
            self.daemon.start()
            self.finding("daemon", "ok", "postern-guard stands by")
            guard.kill()
            self.assertTrue(eventually(lambda: self.of(self.doctor(), "problem", "daemon")))
            self.finding("daemon", "problem", "postern-guard is gone", code=ILL)
        finally:
            guard.close()

    def with_systemctl(self, text):
        """A place that a service manager runs, with a systemctl that does so."""
        folder = self.daemon.folder / "sbin"
        folder.mkdir(exist_ok=True)
        (folder / "systemctl").write_text("#!/bin/sh\n" + text)
        (folder / "systemctl").chmod(0o755)
        return (*IN_MOUNTS, "mount -t tmpfs none /run; mkdir -p /run/systemd/system; "
                'mount --bind "$0" /usr/sbin; exec "$@"', folder)

    def test_systemctl(self):
        """The one of the system, whatever the caller's PATH begins with."""
        self.start()
        shown = ("LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n"
                 f"MainPID={self.daemon.process.pid}\\n")
        place = self.with_systemctl(f"printf '{shown}'")
        callers = self.daemon.folder / "callers"
        callers.mkdir()
        (callers / "systemctl").write_text(f"#!/bin/sh\ntouch {callers}/was-run\n")
        (callers / "systemctl").chmod(0o755)
        for path in ("/usr/bin:/bin", f"{callers}:/usr/bin:/bin"):
            found = self.of(self.doctor(place=("env", f"PATH={path}", *place)), "ok", "units")
            self.assertEqual([line["text"] for line in found],
                             [f"{unit}.service is enabled" for unit in UNITS])
        self.assertFalse((callers / "was-run").exists())

    def test_systemctl_that_does_not_tell(self):
        """It fails, or there is none."""
        self.start()
        hide = ('rm "$0/systemctl"; '
                "[ ! -e /usr/bin/systemctl ] || mount --bind /dev/null /usr/bin/systemctl; ")
        for before in ("", hide):
            with self.subTest(before=before):
                *shell, script, folder = self.with_systemctl("exit 1")
                found = self.of(self.doctor(place=(*shell, before + script, folder), code=WELL), check="units")
                self.assertEqual([(line["state"], line["text"]) for line in found],
                                 [("unknown", f"systemctl does not tell of {unit}.service") for unit in UNITS])

    def test_a_reload_that_was_refused(self):
        self.start()
        good = self.daemon.file.read_text()
        self.daemon.configure("server: [\n")
        self.postern("reload", check=False)
        self.daemon.configure(good)
        line = self.finding("daemon", "warning", "the last reload was refused", code=WELL)
        self.assertEqual(line["remedy"], "postern reload")
        self.postern("reload")
        self.assert_well()

    def test_shield_not_where_it_is_wanted(self):
        """The daemon has another configuration than the file."""
        self.start(self.configuration(shield_at="user"))
        self.daemon.configure(self.configuration(shield_at="socket"))
        line = self.finding("daemon", "warning", "junk is not dropped where shield_at says")
        self.assertIn("kernel-shield.conf", line["remedy"])

    def test_interface(self):
        self.server.ip("link", "add", "spare", "type", "veth", "peer", "name", "far")
        self.addCleanup(self.server.run, "ip", "link", "delete", "spare", check=False)
        self.server.ip("link", "set", "far", "up")
        self.server.ip("link", "set", "spare", "up")
        self.server.ip("address", "add", "192.0.2.1/24", "dev", "spare")
        self.server.ip("address", "add", "2001:db8::1/64", "dev", "spare", "nodad")
        self.start(self.configuration(interface="spare"))
        found = self.of(self.assert_well(), "ok", "interface")[0]["text"]
        self.assertIn("spare is up, 1 addresses of IPv4 and 1 of IPv6", found)
        for family in FAMILIES:
            self.server.ip(f"-{family}", "address", "flush", "dev", "spare")
        self.finding("interface", "problem", "spare has no address", code=ILL)
        self.server.ip("link", "set", "spare", "down")
        self.finding("interface", "problem", "spare is not up", code=ILL)
        self.server.ip("link", "delete", "spare")
        self.finding("configuration", "problem", "expected an interface of this host", code=ILL)

    def test_port_taken(self):
        self.start()
        self.daemon.stop()
        for family, address in ((socket.AF_INET, "10.77.1.1"), (socket.AF_INET6, "fd77:1::1")):
            with self.server.socket(family, socket.SOCK_DGRAM) as taker:
                taker.bind((address, KNOCK_PORT))
                line = self.finding("knock port", "problem", "is taken by somebody else", code=ILL)
                self.assertIn(f"process {os.getpid()}", line["text"])

    def test_port_shared(self):
        """With one for another interface; nobody else can."""
        self.start(self.configuration(interface="wire"))
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            with self.server.socket(family, socket.SOCK_DGRAM) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wire2")
                other.bind((address, KNOCK_PORT))
                line = self.finding("knock port", "warning", "is shared with somebody else",
                                    code=WELL)
                self.assertIn(f"process {os.getpid()}", line["text"])
        self.assert_well()

    def test_another_gate_runs(self):
        self.start()
        place = self.folder / "openme"
        shutil.copy(shutil.which("sleep"), place)
        other = self.server.popen(place, "1000")
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        ours = f"a program of another gate runs: openme, process {other.pid};"
        self.assertTrue(eventually(
            lambda: any(ours in line["text"] for line in self.ills(self.doctor()))))
        line = self.finding("leftovers", "warning", ours)
        self.assertIn(str(other.pid), line["remedy"])
