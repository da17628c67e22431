"""A daemon with programs of the administrator's, which stand in its folder and write to `out`."""

import tempfile
from pathlib import Path

from daemon import Daemon
from netns import PATIENCE
from spa_world import SpaWorldTest


class ProgramsTest(SpaWorldTest):
    def configured(self, scripts, **settings):
        """`scripts`: key in `extension_scripts` to the text of a script for sh."""
        configuration = self.configuration(guard="all")
        spa = self.settings(script_writable="out", **settings)
        if "authorization" in scripts:
            del spa["duration"]
        spa["extension_scripts"] = {key: f"{key}.sh" for key in scripts}
        configuration["openspa"] = spa
        return configuration

    def make(self, scripts, **settings):
        """A daemon that is yet to be started. $OUT in a script is the folder it may write to."""
        if self.daemon:
            self.daemon.close()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, self.configured(scripts, **settings))
        out = folder / "out"
        out.mkdir()
        out.chmod(0o777)
        for name, text in self.files().items():
            self.put(folder / name, text, 0o600)
        for key, text in scripts.items():
            self.put(folder / f"{key}.sh", f"#!/bin/sh\nOUT={out}\n{text}\n", 0o755)
        return self.daemon

    @staticmethod
    def put(path, text, mode):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def run_with(self, scripts, **settings):
        return self.make(scripts, **settings).start()

    def fails(self):
        """Starts the daemon, which is to end by itself; its exit status."""
        self.daemon.start(ready=False)
        return self.daemon.process.wait(PATIENCE)

    def out(self, name):
        return self.daemon.folder / "out" / name
