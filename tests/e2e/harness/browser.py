"""A headless Chromium: pages with AWS's own SDK, and Home Assistant's frontend."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import os
from pathlib import Path
import shutil
import subprocess
import tempfile
from typing import Any, Literal

from aiohttp import web
import numpy as np
from playwright.async_api import Browser, ElementHandle, Page, async_playwright

from .home_assistant import PASSWORD, REPOSITORY, USERNAME
from .pattern import Picture

NODE_MODULES = REPOSITORY / ".dev" / "node" / "node_modules"
PAGES = Path(__file__).parents[1] / "browser"

_FLAGS = [
    "--autoplay-policy=no-user-gesture-required",
    # Candidates with real addresses; .local names would be asked for by multicast.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]
# A microphone that beeps once a second, for which no page has to ask the user.
_MICROPHONE_FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def bundle(folder: Path, name: str) -> None:
    """Put a page and its script, bundled with the SDK, into a folder."""
    shutil.copy(PAGES / f"{name}.html", folder / "index.html")
    subprocess.run(
        [
            NODE_MODULES / ".bin" / "esbuild",
            PAGES / f"{name}.js",
            "--bundle",
            "--format=iife",
            "--log-level=warning",
            # The SDK's dependencies expect Node's process object.
            "--banner:js=globalThis.process = { env: {} };",
            f"--outfile={folder / f'{name}.bundle.js'}",
        ],
        check=True,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    )


@asynccontextmanager
async def chromium_browser(
    chromium: str, *, microphone: bool | Path = False
) -> AsyncIterator[Browser]:
    """Give a browser without a page; its microphone may hear a WAV over and over."""
    flags = [*_FLAGS, *_MICROPHONE_FLAGS] if microphone else _FLAGS
    if isinstance(microphone, Path):
        flags = [*flags, f"--use-file-for-fake-audio-capture={microphone}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        await browser.close()


@asynccontextmanager
async def sdk_page(browser: Browser, name: str) -> AsyncIterator[Page]:
    """Give a page with the SDK, served on loopback, which counts as a secure origin."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        bundle(Path(folder), name)
        application = web.Application()
        application.router.add_static("/", folder)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        try:
            # The service's certificate is made by the test itself.
            page = await browser.new_page(ignore_https_errors=True)
            await page.goto(f"http://{host}:{port}/index.html")
            yield page
            await page.close()
        finally:
            await runner.cleanup()


@asynccontextmanager
async def viewer_page(chromium: str) -> AsyncIterator[Page]:
    """Give the page that views a channel, in a browser of its own."""
    async with (
        chromium_browser(chromium) as browser,
        sdk_page(browser, "viewer") as page,
    ):
        yield page


async def log_in(page: Page, url: str) -> None:
    """Log the user in by the form."""
    await page.goto(url)
    await page.locator("input[name=username]").fill(USERNAME)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator("home-assistant-main").wait_for(timeout=30_000)


# The next pictures that a video shows, small, as RGBA in base64.
_TAKE_PICTURES = """async ([video, count, width, height, clock]) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pictures = [];
  while (pictures.length < count) {
    const metadata = await new Promise((resolve) => {
      video.requestVideoFrameCallback((_now, metadata) => resolve(metadata));
    });
    const time = metadata[clock] ?? performance.now();
    context.drawImage(video, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    pictures.push({ time, rgba: new Uint8Array(data.buffer).toBase64() });
  }
  return pictures;
}"""


async def take_pictures(
    page: Page,
    count: int,
    *,
    of: ElementHandle | None = None,
    width: int = 480,
    height: int = 270,
    clock: Literal["mediaTime", "expectedDisplayTime", "drawn"] = "mediaTime",
) -> list[tuple[float, Picture]]:
    """Return the next pictures that a video shows, with their media times in s.

    Without an element the page's only video is meant. The other clocks say when they
    are shown, and when they were taken out of what is shown, in ms.
    """
    video = of or await page.query_selector("video")
    taken: list[dict[str, Any]] = await page.evaluate(
        _TAKE_PICTURES, [video, count, width, height, clock]
    )
    return [
        (
            picture["time"],
            np.frombuffer(base64.b64decode(picture["rgba"]), np.uint8).reshape(
                height, width, 4
            ),
        )
        for picture in taken
    ]
