"""The laptop of a guide: a user `laptop` with the machine's own programs, in the client's network,
who may log in to the machine as root. By the addresses that the guides use as examples."""

import subprocess

from netns import PATIENCE, run

HOME = "/home/laptop"
GATE, LAPTOP, STRANGER = "192.0.2.1", "198.51.100.7", "203.0.113.9"
SSH_CONFIG = "Host *\n\tBatchMode yes\n\tStrictHostKeyChecking accept-new\n"
NO_TERMINAL = "Pseudo-terminal will not be allocated"


def prepare_machine(machine):
    """Its side of the wires, before it is on."""
    for device, other in (("wire", LAPTOP), ("wire2", STRANGER)):
        own = f"[Address]\nAddress={GATE}/32\n" if device == "wire" else ""
        machine.write(f"/etc/systemd/network/{device}.network.d/guide.conf",
                      f"{own}[Route]\nDestination={other}/32\nScope=link\n")


def prepare_far_end(space, address):
    space.ip("address", "replace", f"{address}/32", "dev", "wire")
    space.ip("route", "replace", f"{GATE}/32", "dev", "wire", "src", address)


class Laptop:
    def __init__(self, machine, space):
        self.machine, self.space = machine, space
        machine.run("useradd", "--create-home", "--shell", "/bin/sh", "laptop")
        machine.shell(f"touch /root/.hushlogin; mkdir -p -m 700 /root/.ssh; cd {HOME}; umask 077; mkdir .ssh; "
                      "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519; "
                      "cat .ssh/id_ed25519.pub >>/root/.ssh/authorized_keys")
        self.append("/.ssh/config", SSH_CONFIG)
        machine.run("chown", "--recursive", "laptop:laptop", HOME)
        self.ids = ":".join(machine.run("id", which, "laptop").strip() for which in ("-u", "-g"))

    def append(self, name, text):
        with open(f"{self.machine.root}{HOME}{name}", "a") as file:
            file.write(text)

    def popen(self, text, **options):
        """Every line has to succeed; what comes, errors too, can be read."""
        return self.space.popen(
            "chroot", f"--userspec={self.ids}", self.machine.root, "env", "-i",
            "PATH=/usr/bin:/bin", "LANG=C.UTF-8", f"HOME={HOME}", "USER=laptop",
            "sh", "-ec", f"cd; exec 2>&1; {text}", text=True, stdout=subprocess.PIPE, **options)

    def run(self, text, typed=""):
        """(exit status, what was said); `typed`: on what it starts, such as a login."""
        process = self.popen(text, stdin=subprocess.PIPE)
        try:
            said = process.communicate(typed, timeout=2 * PATIENCE)[0]
        finally:
            process.kill()
        return process.returncode, "".join(
            line for line in said.splitlines(True) if NO_TERMINAL not in line)

    def gets_in(self):
        return self.space.connects(GATE, 22, timeout=0.3)
