"""A real Chromium without a window, driven by the W3C WebDriver protocol: JSON by HTTP."""

import base64
import json
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass

from .processes import end, free_port, spawn, tail, wait_until

_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class WebDriverError(Exception):
    pass


class Browser:
    """One browser session with a new profile.

    find(css) gives one Element and fails where there is none; script(text, ...) runs JavaScript as
    a function's body; size(w, h) is the page's, not the window's, and may be smaller than windows
    can be; cdp(...) is Chromium's own protocol.
    """

    def __init__(self, directory):
        self.directory = directory
        self.driver = self.session = None

    def start(self):
        chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
        assert chromium and chromedriver, "chromium and chromedriver: scripts/setup test"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        log = self.directory / "chromedriver.log"
        with open(log, "wb") as out:
            self.driver = spawn([chromedriver, f"--port={port}"], stdout=out, stderr=out)
        wait_until(self._ready, lambda: f"chromedriver:\n{tail(log)}")
        profile = self.directory / "profile"
        options = {"binary": chromium, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "unhandledPromptBehavior": "ignore",
        }
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.session = f"/session/{answer['sessionId']}"

    def stop(self):
        if self.session:
            self._call("DELETE", self.session)
        if self.driver:
            end(self.driver, 10)

    def _ready(self):
        assert self.driver.poll() is None, "chromedriver ended"
        try:
            return self._call("GET", "/status")["ready"]
        except OSError:
            return False

    def _call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                value = json.load(error)["value"]
            raise WebDriverError(f"{value['error']}: {value['message']}") from None

    def get(self, path):
        return self._call("GET", self.session + path)

    def post(self, path, body=None):
        return self._call("POST", self.session + path, body)

    def open(self, url):
        self.post("/url", {"url": url})

    def find(self, css):
        found = self.post("/element", {"using": "css selector", "value": css})
        return Element(self, found[_ELEMENT])

    def find_all(self, css):
        found = self.post("/elements", {"using": "css selector", "value": css})
        return [Element(self, one[_ELEMENT]) for one in found]

    def text(self, css):
        """What the element holds, also where it is scrolled out of sight."""
        return self.script("return document.querySelector(arguments[0])?.textContent", css)

    def script(self, text, *arguments):
        return self.post("/execute/sync", {"script": text, "args": list(arguments)})

    def press(self, key):
        """One key, sent to whatever has the focus."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.post("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def cdp(self, command, **parameters):
        return self.post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def accessible(self):
        """(role, name, whether it can have the focus) of all that a screen reader is told of."""
        self.cdp("Accessibility.enable")
        tree = self.cdp("Accessibility.getFullAXTree")["nodes"]
        self.cdp("Accessibility.disable")
        return [
            (
                node["role"]["value"],
                str(node.get("name", {}).get("value", "")),
                any(p["name"] == "focusable" for p in node.get("properties", [])),
            )
            for node in tree
            if not node["ignored"]
        ]

    def size(self, width, height):
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def theme(self, name):
        feature = {"name": "prefers-color-scheme", "value": name}
        self.cdp("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self):
        return base64.b64decode(self.get("/screenshot"))

    def console(self):
        """What was logged since the last call, as texts."""
        entries = self.post("/se/log", {"type": "browser"})
        return [f"{entry['level']} {entry['message']}" for entry in entries]


@dataclass(frozen=True)
class Element:
    browser: Browser
    id: str

    @property
    def json(self):
        """To be an argument of script()."""
        return {_ELEMENT: self.id}

    def _path(self, rest):
        return f"/element/{self.id}{rest}"

    def click(self):
        self.browser.post(self._path("/click"))

    def keys(self, text):
        self.browser.post(self._path("/value"), {"text": text})

    @property
    def shown(self):
        return self.browser.get(self._path("/displayed"))

    @property
    def name(self):
        """The accessible name, as a screen reader is told it."""
        return self.browser.get(self._path("/computedlabel"))

    @property
    def role(self):
        return self.browser.get(self._path("/computedrole"))
