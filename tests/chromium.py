"""Headless Chromium, driven over its debugging pipe: no package and no port is needed.

``python tests/chromium.py PAGE`` says how fast a page opens and what it asks for.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36}
KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def find_chromium():
    """Where Chromium is, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of one browser; every event that it reports is kept in ``events``.

    ``density`` is how many pixels of the screen there are for one of CSS.
    """

    def __init__(self, patience=30, density=1):
        self.numbers, self.events, self.patience = count(1), [], patience
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (read, self.to), (self.back, write) = os.pipe(), os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        flags += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={self.folder.name}"]
        flags += [f"--force-device-scale-factor={density}"]

        def pipes():  # Chromium reads commands from descriptor 3 and answers on 4
            for source, target in ((os.dup(read), 3), (os.dup(write), 4)):
                os.dup2(source, target)

        self.process = subprocess.Popen(
            [find_chromium(), *flags, "about:blank"],
            preexec_fn=pipes,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        os.set_blocking(self.back, False)
        self.rest, self.session = b"", None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.back)
        self.folder.cleanup()

    def call(self, method, **parameters):
        """One command, and its answer."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        os.write(self.to, json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        return self.wait(lambda answer: answer.get("id") == number)["result"]

    def wait(self, wanted):
        """The next message that is wanted; the others before it are events."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            while b"\0" in self.rest:
                text, self.rest = self.rest.split(b"\0", 1)
                message = json.loads(text)
                if wanted(message):
                    return message
                self.events.append(message)
            try:
                self.rest += os.read(self.back, 1 << 20)
            except BlockingIOError:
                time.sleep(0.002)
        raise TimeoutError(f"Chromium said nothing within {self.patience} s")

    def run(self, script):
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, *keys):
        """Real key strokes, as a keyboard sends them."""
        for key in keys:
            name = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
            text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
            self.call("Input.dispatchKeyEvent", type="keyDown", **name, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **name)

    def open(self, path, width=1280, height=900, dark=False):
        """Load a file; the seconds until its load event and the frame after it."""
        size = {"width": width, "height": height, "deviceScaleFactor": 0, "mobile": False}  # 0: as the flag says
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        start = time.monotonic()
        self.call("Page.navigate", url=path.as_uri())
        if not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.wait(lambda message: message.get("method") == "Page.loadEventFired")
        self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return time.monotonic() - start

    def problems(self):
        """What the console and the log complain of, refused requests included."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.events if event.get("method") in kinds]

    def requests(self):
        """Addresses that were asked for, but data inside the page."""
        sent = [event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [url for url in (params["request"]["url"] for params in sent) if not url.startswith("data:")]

    def screenshot(self, path, full=True):
        """A picture of the page, or of what the window shows."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(found["data"]))


if __name__ == "__main__":  # python tests/chromium.py page.html
    browser, page = Browser(), Path(sys.argv[1]).resolve()
    for width in (400, 1280, 2000):
        seconds = browser.open(page, width)
        asked = [url for url in browser.requests() if url != page.as_uri()]
        print(f"{width} px: open in {seconds:.2f} s, {len(asked)} requests, {len(browser.problems())} messages")
    browser.close()
    print(f"{page.stat().st_size / 1e6:.2f} MB")
