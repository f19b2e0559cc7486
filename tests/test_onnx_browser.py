"""Exported files in a browser: onnxruntime-web in headless Chromium against onnxruntime in Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("spox")

from _runtimes import NAMES, RUNTIMES, exported, missing, node_modules, pictures

from hybridseg import OnnxSegmenter

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
PATIENCE_SECONDS = 300


class Server(ThreadingHTTPServer):
    """Serves a folder, and keeps what is posted by path."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.posted: dict[str, bytes] = {}
        self.done = threading.Event()


class Handler(SimpleHTTPRequestHandler):
    server: Server

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


@pytest.fixture(scope="module")
def posted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """What the page posts when it has run every file on every picture."""
    folder = tmp_path_factory.mktemp("page")
    browser, modules = find_browser(), node_modules()
    shutil.copy(RUNTIMES / "browser.html", folder)
    (folder / "ort").symlink_to(modules / "onnxruntime-web" / "dist", target_is_directory=True)
    jobs = []
    for model in NAMES:
        shutil.copy(exported(model), folder / f"{model}.model")
        for number, picture in enumerate(pictures()):
            name = f"{model}-{number}"
            (folder / f"{name}.raw").write_bytes(picture.tobytes())
            height, width = picture.shape
            jobs.append({"name": name, "model": f"{model}.model", "height": height, "width": width})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    with Server(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/browser.html"
        command = [browser, *OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}", url]
        log = folder / "browser.log"
        with log.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not server.done.wait(0.2) and process.poll() is None and time.monotonic() < deadline:
                pass
            process.kill()
        server.shutdown()
        if not server.done.is_set():
            pytest.fail(f"{browser} ran {len(server.posted)} of {len(jobs)} jobs, then: {log.read_text()[-2000:]}")
        yield server.posted


@pytest.mark.parametrize("model", NAMES)
def test_the_browser_agrees_with_python(model: str, posted: dict[str, bytes]) -> None:
    python = OnnxSegmenter.load(exported(model))
    lesion = 0
    for number, picture in enumerate(pictures()):
        name = f"{model}-{number}"
        assert f"{name}.error" not in posted, posted[f"{name}.error"].decode()
        mask = np.frombuffer(posted[f"{name}.mask"], np.uint8).reshape(picture.shape)
        expected = python.predict(picture)
        assert (mask != expected).mean() <= 0.0001
        lesion += int(expected.sum())
    assert lesion > 0
