"""The Ansible role, as doc/operator.md has it: word for word, by the release's own Ansible and real ssh.
The controller has the machine's files, as in other tests here, but the client's place in the network."""

import re
import subprocess
from pathlib import Path

import yaml
from booted_world import CONFIG, KNOCK_TIMEOUT, UNITS, BootedTest
from machine import CHECKOUT, PATIENCE
from netns import eventually
from test_lockout_booted import KEY

GUIDE = Path(__file__).parents[2] / "doc" / "operator.md"
CONTROLLER, VARIABLES = "machine-controller", "group_vars/all.yaml"
HOST = "gate.example.org"
ENVIRONMENT = ("ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_PIPELINING=True", "ANSIBLE_NOCOLOR=1",
               f"ANSIBLE_PRIVATE_KEY_FILE={KEY}", "PATH=/opt/controller/usr/bin:/usr/sbin:/usr/bin")
OWN_RULES = "table inet mine { chain input { type filter hook input priority 10; tcp dport 4444 drop; }; }"
BOB = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # of RFC 8032
CASES = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: postern, tasks_from: variables}
  vars: {vault_postern_private_key: x, vault_postern_public_key: x, vault_postern_shield_key: x, vault_postern_alice: x}
"""
UNCONFIRMED = '#!/bin/sh\n[ "$1" != confirm ] || exit 1\nexec postern "$@"\n'
SHUT = "would be shut to everybody"
TIME_LIMIT = 3600  # a play takes its time where others use the processors


class AnsibleTest(BootedTest):
    @classmethod
    def install(cls):
        """The role does."""

    @classmethod
    def prepare_system(cls):
        super().prepare_system()
        cls.machine.write("/etc/hosts", f"127.0.0.1 localhost\n10.77.1.1 {HOST}\nfd77:1::1 {HOST}\n")

    @classmethod
    def set_up_postern(cls):
        """What the guide takes for granted on the controller: the tool, a checkout, a way in."""
        cls.machine.shell(f"""
            mkdir -p /root/.ssh /opt/controller; chmod 700 /root/.ssh
            ssh-keygen -q -t ed25519 -N '' -f {KEY}; cat {KEY}.pub >>/root/.ssh/authorized_keys
            dpkg-deb -x /src/build/deb/postern-client_*.deb /opt/controller
            ln -s /src /root/postern""")
        cls.machine.run("nft", "-f", "-", text=OWN_RULES)
        cls.rules = cls.machine.run("nft", "list", "ruleset")

    # The controller

    def controller(self, text, check=True):
        """Every line has to succeed, or what it says and that one does not is the answer."""
        words = self.machine.command("env", *ENVIRONMENT, "bash", "-euc",
                                     f"cd /root; [ ! -d gates ] || cd gates\n{text}")
        words[words.index("--net")] = f"--net=/run/netns/{self.client.name}"
        done = subprocess.run(words, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIME_LIMIT)
        print(f"{text}\n{done.stdout}", flush=True)
        self.assertEqual(done.returncode == 0, check, done.stdout)
        return done.stdout

    def play(self, *words, check=True):
        self.controller("postern knock")
        return self.controller(" ".join((self.playing, *words)), check)

    def take(self, first, place=CONTROLLER):
        """The next block of the guide, which is the one that begins so."""
        where, text = self.blocks.pop(0)
        self.assertEqual((where, text.splitlines()[0]), (place, first))
        return text

    def put(self, text):
        self.machine.write(f"/root/gates/{VARIABLES}", text)

    def variables_with(self, allowed, ports, server):
        """The guide's, but for what alice may open, the groups, and some keys of the server's."""
        variables = yaml.safe_load(self.variables)
        variables["postern_config"]["server"].update(server)
        variables["postern_config"]["ports"] = ports
        variables["postern_clients"]["alice"]["allowed_ports"] = allowed
        return yaml.safe_dump(variables)

    # The gate

    def nft(self):
        return self.machine.run("nft", "list", "ruleset")

    def states(self):
        return [self.machine.state(unit) for unit in UNITS]

    def enabled(self):
        return [self.machine.run("systemctl", "is-enabled", unit, check=False).strip() for unit in UNITS]

    def everything(self):
        """What a play that is refused leaves as it was."""
        return self.machine.shell("cd /etc/postern; find . -type f -exec stat -c '%n %a %Y %Z' {} + "
                                  "-exec sha256sum {} + | sort; systemctl show -p MainPID posternd")

    def assert_changed(self, said, count=None):
        changed = int(re.search(r"changed=(\d+) .*failed=0", said)[1])
        self.assertTrue(changed > 0 if count is None else changed == count, said)

    def refused(self, said, *words):
        before = self.everything()
        output = self.play(*words, check=False)
        self.assertIn(said, output)
        self.assertIn("changed=0", output)
        self.assertEqual(self.everything(), before)

    # The guide

    def test_the_guide(self):
        self.blocks = [(place, text) for place, text in re.findall(
            r"^```\w+ (machine-\S+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)]
        self.prepare()
        self.no_way_in()
        self.activate()
        self.again()
        self.lock_outs()
        self.one_more_client()
        self.bad_ones()
        self.on_trial()
        self.without_ssh()
        self.taken_away()
        self.purged()
        self.assertEqual(self.blocks, [])

    def prepare(self):
        self.controller(self.take("cp -r postern/pkg/ansible gates"))
        self.machine.write("/root/gates/vault-password", "of this test\n", 0o600)
        self.controller(self.take("umask 077"))
        secrets = self.machine.read(f"/root/gates/host_vars/{HOST}.yaml")
        self.assertTrue(secrets.startswith("$ANSIBLE_VAULT;"), secrets)
        variables = self.take("postern_config:", f"machine-{VARIABLES}")
        # A play may come in later than the preset 30 s after the knock, where others use the processors.
        self.variables = variables.replace("  ports:\n", f"    knock_timeout: {KNOCK_TIMEOUT}\n  ports:\n")
        self.put(self.variables)

    def assert_not_there(self):
        self.assertTrue(eventually(lambda: self.states() == ["inactive"] * 2, PATIENCE), self.states())
        self.assert_open(self.stranger)
        self.assertEqual(self.nft(), self.rules)

    def no_way_in(self):
        """A first activation that would shut Ansible out, as nobody knocks; and one that nobody confirms."""
        self.playing = self.take(f"ansible-playbook -u root -i {HOST}, --vault-password-file vault-password "
                                 "playbook.yaml").strip()
        said = self.controller(f"{self.playing} -e postern_knock_command=true -e postern_confirm_within=30m",
                               check=False)
        self.assertIn("timed out waiting", said)
        self.assert_shut()
        self.machine.run("postern", "rollback")
        self.assert_not_there()
        said = self.controller(f"{self.playing} -e postern_knock_command=false -e postern_confirm_within=5s",
                               check=False)
        self.assertIn("Knock", said)
        self.assert_not_there()
        self.assertEqual(self.enabled(), ["disabled"] * 2)

    def activate(self):
        self.assert_changed(self.controller(self.playing))
        self.assertEqual(self.states(), ["active"] * 2)
        self.assertEqual(self.enabled(), ["enabled"] * 2)
        self.assertIn("was confirmed", self.machine.run("postern", "confirm"))
        self.assert_shut(self.stranger)
        self.assertEqual(self.machine.shell(f"stat -c '%a %U' {CONFIG} /etc/postern").split(),
                         ["600", "root", "700", "root"])

    def again(self):
        knocks, *_ = text = self.take("postern knock").splitlines(True)
        self.assertIn(self.playing, text[1])
        before = self.everything()
        said = self.controller("".join(text))
        self.assert_changed(said, 0)
        for secret in re.findall(r"_key: (\S+)", self.machine.read(CONFIG)):
            self.assertNotIn(secret, said)
        self.assertEqual(self.everything(), before)

    def lock_outs(self):
        """Over the connection that would be lost; and by variables alone, each case a host of its own."""
        web, default, both = {"web": ["443/tcp"]}, {"default": ["22/tcp"]}, {"guard": "all", "open_knock_port": True}
        shut = ((["web"], web, {}),  # as `default` is preset
                (["web"], {**web, "default": ["8080/tcp", "20-30/tcp"]}, {}),
                (["web"], {**web, **default}, {"guard_allow": ["22/tcp"]}),  # which guard: all has
                (["default"], {"default": ["443/tcp"]}, both))
        way_in = ((["22/tcp", "web"], {**web, **default}, {}),
                  (["web"], {**web, **default}, {"guard_allow": ["10.77.1.0/24"]}),
                  (["default"], {"default": ["443/tcp"]}, {**both, "guard_allow": [22]}),
                  (["web"], {**web, **default}, {"drop_ports": False}))
        for number, case in enumerate((*shut, *way_in)):
            self.machine.write(f"/root/cases/host_vars/{number}.yaml", self.variables_with(*case))
        self.machine.write("/root/cases/play.yaml", CASES)
        said = self.controller(f"""cd ../cases; ANSIBLE_ROLES_PATH=../gates/roles ansible-playbook play.yaml \
            -i {','.join(map(str, range(len(shut + way_in))))} -c local -e ansible_python_interpreter=/usr/bin/python3""",
                               check=False)
        self.assertEqual(re.findall(r"(?m)^(\d) .*failed=1 ", said), [str(n) for n in range(len(shut))], said)
        self.assertEqual(len(re.findall(rf"(?m)^fatal: .*{SHUT}", said)), len(shut), said)
        self.put(self.variables_with(*shut[0]))
        self.refused(SHUT)
        self.put(self.variables)

    def on_trial(self):
        """A later change that shuts more: confirmed by nobody, and by Ansible."""
        before, main = self.machine.read(CONFIG), self.machine.show("posternd", "MainPID")
        self.put(self.variables_with(["default"], {"default": ["22/tcp", "8080/tcp"]}, {}))
        self.play("-e", "postern_knock_command=false", "-e", "postern_confirm_within=5s", check=False)
        self.assertTrue(eventually(lambda: self.machine.read(CONFIG) == before, PATIENCE))
        self.assertTrue(eventually(lambda: "8080" not in self.nft(), PATIENCE))
        self.assert_changed(self.play())
        self.assertIn("the new configuration was confirmed", self.machine.run("postern", "confirm", check=False))
        self.assertIn("8080", self.nft())
        self.assertEqual(self.machine.show("posternd", "MainPID"), main)

    def without_ssh(self):
        """Nobody is to come in by ssh: on trial still, over the connection that is there, and taken back
        where Ansible is gone before it confirms."""
        before, main = self.machine.read(CONFIG), self.machine.show("posternd", "MainPID")
        self.put(self.variables_with(["web"], {"web": ["443/tcp"]}, {}))
        meant = "-e postern_without_ssh=true"
        self.machine.write("/root/unconfirmed", UNCONFIRMED, 0o755)
        self.play(meant, "-e postern_tool=/root/unconfirmed -e postern_confirm_within=5s", check=False)
        self.assertTrue(eventually(lambda: self.machine.read(CONFIG) == before, PATIENCE))
        self.assertTrue(eventually(lambda: not re.search(r"\b443\b", self.nft()), PATIENCE))
        self.assert_changed(self.play(meant))
        self.assertIn("the new configuration was confirmed", self.machine.run("postern", "confirm"))
        self.assertRegex(self.nft(), r"\b443\b")
        self.assert_shut()
        self.assertEqual(self.machine.show("posternd", "MainPID"), main)
        self.machine.write(CONFIG, before, 0o600)  # at the console
        self.machine.run("postern", "reload")
        self.put(self.variables)

    def one_more_client(self):
        self.variables = self.variables.replace(
            "postern_clients:\n", f"postern_clients:\n  bob:\n    ed25519_pubkey: {BOB}\n")
        self.put(self.variables)
        before = self.everything()
        self.assertIn("bob", self.controller(self.take(f"{self.playing} --check --diff")))
        self.assertEqual(self.everything(), before)
        main = self.machine.show("posternd", "MainPID")
        self.assert_changed(self.play(), 1)
        self.assertIn("bob", self.machine.run("postern", "list"))
        self.assertIn("bob", self.machine.run("postern", "history", "--since", "1h"))  # the daemon knows
        self.assert_changed(self.play("-e", "'{\"postern_clients_absent\": [\"bob\"], \"postern_clients\": "
                                      "{\"alice\": {\"ed25519_pubkey\": \"{{ vault_postern_alice }}\"}}}'"))
        self.assertNotIn("bob", self.machine.run("postern", "list"))
        self.assertEqual(self.machine.show("posternd", "MainPID"), main)

    def bad_ones(self):
        self.put(self.variables.replace(KNOCK_TIMEOUT, "never"))
        self.refused("knock_timeout")
        self.put(self.variables)

    # The end

    def files(self):
        return self.machine.shell("cd /etc/postern; find . -type f -exec sha256sum {} + | sort")

    def taken_away(self):
        before = self.files()
        text = self.take("postern knock")
        self.assert_changed(self.controller(text))
        self.assert_not_there()
        self.assertEqual(self.machine.shell("ls /usr/sbin/posternd /usr/bin/postern 2>/dev/null || true"), "")
        self.assertEqual(self.files(), before)
        self.assert_changed(self.controller(text), 0)

    def purged(self):
        """Of a host on which it was again."""
        self.assert_changed(self.controller(self.playing))
        self.assert_shut(self.stranger)
        self.assertIn("alice", self.machine.run("postern", "list"))
        absent = "-e postern_state=absent -e postern_purge=true"
        none = "-e postern_package= -e '{\"postern_package_files\": []}'"
        self.assertIn("postern_package names none", self.play(absent, none, check=False))
        self.assert_changed(self.play(absent))
        self.assert_not_there()
        self.assertEqual(self.machine.shell("ls -d /etc/postern /var/lib/postern 2>/dev/null || true"), "")
