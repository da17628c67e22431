"""Headless Chromium, driven by its own protocol over a pair of pipes."""

import base64
import contextlib
import json
import os
import select
import shutil
import tempfile
import time

from netns import PATIENCE

PROGRAM = shutil.which("chromium")


class Chromium:
    """One page, in a namespace that has nothing but what is tested; closed at the end of the
    `with`. `requests` are the addresses it has asked for, `logged` what it complains of: violations
    of the policy, failed requests and what the script throws."""

    def __init__(self, space):
        self.folder = tempfile.TemporaryDirectory(prefix="postern-chromium-",
                                                  ignore_cleanup_errors=True)
        to_it, self.to = os.pipe()
        self.back, from_it = os.pipe()
        # It reads from 3 and writes to 4, which may be taken here.
        high = [os.dup(fd) for fd in (to_it, from_it)]
        words = ["bash", "-c", f'exec 3<&{high[0]} 4>&{high[1]}; exec "$@"', "-", PROGRAM,
                 "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--disable-extensions", "--disable-component-update", "--no-first-run",
                 "--disable-background-networking", "--hide-scrollbars",
                 "--force-color-profile=srgb", "--remote-debugging-pipe",
                 f"--user-data-dir={self.folder.name}", "about:blank"]
        self.log = tempfile.TemporaryFile()
        self.process = space.popen(*words, pass_fds=high, stdout=self.log, stderr=self.log,
                                   env=os.environ | {"HOME": self.folder.name})
        for fd in (to_it, from_it, *high):
            os.close(fd)
        self.number, self.session, self.unread = 0, None, b""
        self.requests, self.logged = [], []
        self.told = None  # what stands in place of data.json

    def __enter__(self):
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"],
                                 flatten=True)["sessionId"]
        for part in ("Page", "Network", "Log", "Runtime", "Accessibility", "DOM", "CSS"):
            self.call(f"{part}.enable")
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            os.write(self.to, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
        try:
            self.process.wait(10)
        except Exception:  # it is only to be gone
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.back)
        self.log.close()
        self.folder.cleanup()

    def receive(self, until):
        """The next message, or None when there is none by then."""
        while b"\0" not in self.unread:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                return None
            piece = os.read(self.back, 1 << 20)
            if not piece:
                raise AssertionError("Chromium has ended: " + os.pread(
                    self.log.fileno(), 1 << 16, 0).decode(errors="replace")[-2000:])
            self.unread += piece
        text, _, self.unread = self.unread.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.note(message["method"], message["params"])
        return message

    def note(self, method, params):
        if method == "Fetch.requestPaused":
            self.send("Fetch.fulfillRequest", requestId=params["requestId"], responseCode=200,
                      responseHeaders=[{"name": "Content-Type", "value": "application/json"}],
                      body=base64.b64encode(json.dumps(self.told).encode()).decode())
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded":
            self.logged.append(params["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.logged.append(json.dumps(params["exceptionDetails"]))

    def send(self, method, **params):
        """The number under which it is answered."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self.to, left):]
        return self.number

    def call(self, method, **params):
        number = self.send(method, **params)
        until = time.monotonic() + PATIENCE
        while answer := self.receive(until):
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
        raise AssertionError(f"{method}: no answer")

    def show(self, width=1280, height=900, scale=1, dark=False, still=True):
        """How the page is looked at."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=scale, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def tell(self, data):
        """From now on the page is told this in place of data.json."""
        self.told = data
        self.call("Fetch.enable", patterns=[{"urlPattern": "*data.json*"}])

    def forget(self):
        """As a new one."""
        if self.told is not None:
            self.call("Fetch.disable")
        self.told = None
        self.open("about:blank")
        self.wait_for("location.href == 'about:blank'")
        self.requests, self.logged = [], []

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, expression):
        """What an expression of the page's script language comes to."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                         awaitPromise=True)
        if "exceptionDetails" in done:
            raise AssertionError(done["exceptionDetails"])
        return done["result"].get("value")

    def wait_for(self, expression):
        end = time.monotonic() + PATIENCE
        tried = f"(() => {{ try {{ return ({expression}); }} catch {{ return false; }} }})()"
        while not (found := self.run(tried)):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {expression}; {self.logged}")
            self.receive(time.monotonic() + 0.1)
        return found

    def tree(self):
        """(role, name) of all that assistive technology is told of, in order."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", ""))
                for node in nodes if not node["ignored"]]

    def picture(self, whole=True):
        """PNG bytes."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png",
                                          captureBeyondViewport=whole)["data"])
