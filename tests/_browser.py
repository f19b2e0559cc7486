"""What the tests in a browser share: a server for a folder, and a headless Chromium that opens a page of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from _runtimes import missing

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
PATIENCE_SECONDS = 300


class Server(ThreadingHTTPServer):
    """Serves a folder, keeps what is posted by path, and remembers what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.posted: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.done = threading.Event()


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        super().do_GET()

    def do_POST(self) -> None:
        self.server.posted[self.path.lstrip("/")] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        if self.path == "/done":
            self.server.done.set()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the test says what went wrong."""


def find_browser() -> str:
    named = os.environ.get("HYBRIDSEG_CHROMIUM")
    found = [named] if named else [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        missing(f"no browser: none of {', '.join(BROWSERS)} on the PATH, and HYBRIDSEG_CHROMIUM isn't set")
    return found[0]


def browse(folder: Path, page: str, profile: Path, *options: str) -> Server:
    """Open a page of a folder and return the server when the page has posted ``done``; fail if it never does."""
    browser = find_browser()
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{page}"
        command = [browser, *OPTIONS, *options, f"--user-data-dir={profile}", url]
        log = profile / "browser.log"
        with log.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not server.done.wait(0.2) and process.poll() is None and time.monotonic() < deadline:
                pass
            process.kill()
        server.shutdown()
        if not server.done.is_set():
            pytest.fail(f"{browser} posted {sorted(server.posted)}, then: {log.read_text()[-2000:]}")
    return server
