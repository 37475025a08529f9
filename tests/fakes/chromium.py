"""A real headless Chromium, driven by its DevTools protocol: what a person's browser would do.

Owns starting and stopping it, and one page at a time. `TAGSTREAM_CHROMIUM` names another binary.
Certificates are not checked: the stack's authority is its own.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

_TIMEOUT_S = 20.0
_START_S = 30.0
_ISSUES = ("ContentSecurityPolicyIssue", "CookieIssue", "MixedContentIssue")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--ignore-certificate-errors",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """Where it is installed; None when it is not."""
    return os.environ.get("TAGSTREAM_CHROMIUM") or shutil.which("chromium")


@dataclass(frozen=True, slots=True)
class Screen:
    """What the browser pretends to be shown on."""

    width: int
    height: int
    scheme: str = "light"
    scripts: bool = True

    @property
    def name(self) -> str:
        return f"{self.width}-{self.scheme}"


class PageFailed(AssertionError):
    """A command of the protocol, or a script, failed."""


@dataclass(slots=True)
class Tab:
    """One tab. `complaints` are console errors, exceptions and violations of the policy."""

    socket: aiohttp.ClientWebSocketResponse
    session: str
    complaints: list[str] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol."""
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        await self.socket.send_str(json.dumps(message))
        async with asyncio.timeout(_TIMEOUT_S):
            return await answer

    async def listen(self) -> None:
        """Until the socket closes."""
        async for message in self.socket:
            said = json.loads(message.data)
            waiting = self._waiting.pop(said.get("id"), None)
            if waiting is not None and not waiting.done():
                if "error" in said:
                    waiting.set_exception(PageFailed(str(said["error"])))
                else:
                    waiting.set_result(said["result"])
            else:
                self._note(said.get("method", ""), said.get("params", {}))

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning"):
            self.complaints.append(str(said["args"]))
        elif method == "Audits.issueAdded" and said["issue"]["code"] in _ISSUES:
            self.complaints.append(str(said["issue"]))

    async def show_on(self, screen: Screen) -> None:
        """Width, colour scheme, and whether scripts run."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=screen.width,
            height=screen.height,
            deviceScaleFactor=1,
            mobile=screen.width < 600,
        )
        await self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": screen.scheme}],
        )
        await self.call("Emulation.setScriptExecutionDisabled", value=not screen.scripts)

    async def open(self, url: str) -> None:
        """Goes there and waits until the page has loaded."""
        self.expect_load()
        await self.call("Page.navigate", url=url)
        await self.loaded()

    def expect_load(self) -> None:
        """Call it before what makes another page load."""
        self._loaded.clear()

    async def loaded(self) -> None:
        """Until the page that was expected has loaded."""
        async with asyncio.timeout(_TIMEOUT_S):
            await self._loaded.wait()

    async def click(self, selector: str) -> None:
        """Clicks what leads to another page, and waits for that."""
        self.expect_load()
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")
        await self.loaded()

    async def press(self, key: str) -> None:
        """A key, as the keyboard sends it."""
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **(text if kind == "keyDown" else {}),
            )

    async def type(self, text: str) -> None:
        """Into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise PageFailed(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def wait_for(self, condition: str, timeout_s: float = 20.0) -> None:
        """Until an expression holds. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not await self.run(condition):  # noqa: ASYNC110 - the browser tells nobody
                await asyncio.sleep(0.05)

    async def text(self) -> str:
        """What a person reads."""
        return str(await self.run("document.body.innerText"))

    async def picture(self, path: Path) -> None:
        """A PNG of the whole page."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))


@asynccontextmanager
async def run_chromium(folder: Path) -> AsyncIterator[str]:
    """A browser of its own; yields the address of its protocol. Its profile is made in `folder`."""
    binary = find_chromium()
    assert binary is not None
    profile = folder / "profile"
    process = await asyncio.create_subprocess_exec(
        *(binary, *_FLAGS, f"--user-data-dir={profile}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield await _address(profile / "DevToolsActivePort", process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def open_tab(address: str) -> AsyncIterator[Tab]:
    """A tab in a browser that runs, with cookies of its own."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(address, max_msg_size=64 * 2**20) as socket,
    ):
        tab = Tab(socket, "")
        listening = asyncio.create_task(tab.listen())
        try:
            await _attach(tab)
            yield tab
        finally:
            listening.cancel()


async def _address(port_file: Path, process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(_START_S):
        while process.returncode is None:
            if await asyncio.to_thread(port_file.exists):
                lines = (await asyncio.to_thread(port_file.read_text)).split()
                if len(lines) == 2:
                    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            await asyncio.sleep(0.05)
    raise PageFailed(f"chromium ended with {process.returncode}")


async def _attach(tab: Tab) -> None:
    own = await tab.call("Target.createBrowserContext", disposeOnDetach=True)
    context = own["browserContextId"]
    made = await tab.call("Target.createTarget", url="about:blank", browserContextId=context)
    attached = await tab.call("Target.attachToTarget", targetId=made["targetId"], flatten=True)
    tab.session = attached["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Audits"):
        await tab.call(f"{domain}.enable")
    # Keys go to what has the focus, which a tab that nobody looks at has not.
    await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
