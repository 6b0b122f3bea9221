"""Home Assistant's own frontend in Chromium, used as a person would."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import (
    Browser,
    ElementHandle,
    Locator,
    Page,
    TimeoutError as PlaywrightTimeoutError,
)

from .browser import log_in, take_pictures
from .home_assistant import REPOSITORY
from .pattern import Reading, read

SCREENSHOTS = REPOSITORY / ".dev" / "screenshots"

# Keeps the page's peer connections, their offers' time and that of the first frame that a
# video shows after it got a stream.
_WATCH = """(() => {
  const policy = POLICY;
  const view = (window.view = { peers: [] });
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(configuration) {
      super({ ...configuration, iceTransportPolicy: policy });
      view.peers.push(this);
    }
    createOffer(...options) {
      view.offered = performance.now();
      return super.createOffer(...options);
    }
  };
  const source = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    ...source,
    set(stream) {
      source.set.call(this, stream);
      if (stream) {
        this.requestVideoFrameCallback((now) => { view.shown = now; });
      }
    },
  });
})();"""

# The frontend's players are in shadow trees, and it may begin anew before it settles on
# one: so the video is looked up each time.
_PLAYING = """(seconds) => {
  const find = (root) => {
    for (const element of root.querySelectorAll("*")) {
      const found = element.tagName === "VIDEO" ? element
        : element.shadowRoot && find(element.shadowRoot);
      if (found) return found;
    }
    return null;
  };
  const video = find(document);
  return video && video.videoWidth > 0 && video.currentTime > seconds && video;
}"""

_SELECTED_PAIR = """async () => {
  const peer = view.peers.findLast((one) => one.connectionState === "connected");
  const statistics = await peer.getStats();
  const transport = [...statistics.values()].find((one) => one.type === "transport");
  const pair = statistics.get(transport.selectedCandidatePairId);
  const type = (id) => statistics.get(id).candidateType;
  return [type(pair.localCandidateId), type(pair.remoteCandidateId)];
}"""

_FREEZES = """async () => {
  const peer = view.peers.findLast((one) => one.connectionState === "connected");
  const statistics = [...(await peer.getStats()).values()];
  return statistics.find((one) => one.type === "inbound-rtp" && one.kind === "video")
    .freezeCount;
}"""

# What the frontend does when ICE has failed.
_RESTART = """() => {
  view.peers.findLast((one) => one.connectionState === "connected").restartIce();
}"""


class Frontend:
    """A browser of its own on Home Assistant: cookies and log-in are not shared."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    async def open(self, path: str) -> None:
        """Load a page of the frontend."""
        await self.page.goto(f"{self._url}{path}")

    async def open_more_info(self, entity_id: str) -> None:
        """Load the page with the details of an entity, where its video plays.

        From the root, the frontend goes on to its default page in steps, at each of which
        it closes the details and opens them again: now and then the last one is missing.
        """
        await self.open(f"/home/overview?more-info-entity-id={entity_id}")

    async def playing_video(
        self, *, seconds: float = 0.5, timeout: float = 20
    ) -> ElementHandle:
        """Return the video as soon as so many seconds of it have been shown."""
        video = await self.page.wait_for_function(
            _PLAYING, arg=seconds, timeout=timeout * 1000
        )
        element = video.as_element()
        assert element
        return element

    async def readings(self, count: int) -> list[Reading]:
        """Return what the next pictures say; one that cannot be read fails."""
        video = await self.playing_video()
        pictures = await take_pictures(self.page, count, of=video)
        readings = [read(picture) for _, picture in pictures]
        assert None not in readings, readings
        return [reading for reading in readings if reading]

    async def selected_pair(self) -> list[str]:
        """Return the candidate types, local and remote, that the video comes over."""
        types: list[str] = await self.page.evaluate(_SELECTED_PAIR)
        return types

    async def restart_ice(self) -> None:
        """Have the connection that the video comes over look for another way."""
        await self.page.evaluate(_RESTART)

    async def first_frame_ms(self) -> float:
        """Return the time from the last offer to the first frame shown of its video."""
        await self.page.wait_for_function("view.shown > view.offered", timeout=20_000)
        passed: float = await self.page.evaluate("view.shown - view.offered")
        return passed

    async def shown_now(self) -> tuple[Reading, float]:
        """Return what a picture says, and when it was being shown in Unix time (s)."""
        video = await self.playing_video(seconds=0)
        origin: float = await self.page.evaluate("performance.timeOrigin")
        ((time, picture),) = await take_pictures(self.page, 1, of=video, clock="drawn")
        reading = read(picture)
        assert reading
        return reading, (origin + time) / 1000

    async def freezes(self) -> int:
        """Return how often the video has stood still, by the browser's own count."""
        count: int = await self.page.evaluate(_FREEZES)
        return count

    @asynccontextmanager
    async def shown_if_it_fails(self) -> AsyncIterator[None]:
        """Keep what the browser shows when something in here fails."""
        try:
            yield
        except Exception:
            await self.screenshot("failure")
            raise

    async def screenshot(self, name: str) -> None:
        """Keep what the browser shows."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(
            path=SCREENSHOTS / f"{name}.png", animations="disabled"
        )


@asynccontextmanager
async def frontend(
    browser: Browser, url: str, *, relay_only: bool = False
) -> AsyncIterator[Frontend]:
    """Give a browser in which the user has logged in."""
    options: dict[str, Any] = {"viewport": {"width": 1000, "height": 720}}
    context = await browser.new_context(**options)
    context.set_default_timeout(15_000)
    await context.add_init_script(
        _WATCH.replace("POLICY", '"relay"' if relay_only else '"all"')
    )
    try:
        page = await context.new_page()
        await log_in(page, url)
        person = Frontend(page, url)
        async with person.shown_if_it_fails():
            yield person
    finally:
        await context.close()


class FlowDialog:
    """The dialog of a config flow."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._dialog = page.locator("dialog-data-entry-flow")

    def says(self, text: str) -> Locator:
        """Return the place where the dialog shows a text."""
        return self._dialog.get_by_text(text)

    async def choose(self, label: str, choice: str) -> None:
        """Search a dropdown for a choice and take the first found, or add it."""
        await self._pick(self._dropdowns.filter(has_text=label), choice)

    async def choose_first(self, choice: str) -> None:
        """Do the same with the form's first dropdown, whatever it shows."""
        await self._pick(self._dropdowns.first, choice)

    async def choose_last(self, choice: str, *, before: int = 0) -> None:
        """Do the same with the form's last dropdown, or one so many before it."""
        await self._pick(self._dropdowns.nth(-1 - before), choice)

    async def clear(self, label: str) -> None:
        """Take back what was chosen in a dropdown."""
        field = self._dropdowns.filter(has_text=label)
        await field.locator("ha-icon-button.clear").click()
        await field.locator("ha-icon-button.clear").wait_for(state="detached")

    @property
    def _dropdowns(self) -> Locator:
        return self._dialog.locator("ha-picker-field")

    async def _pick(self, field: Locator, choice: str) -> None:
        # A list is shown before it has opened, and a choice made meanwhile is lost.
        opened = self._dialog.locator("ha-picker-field.opened")
        await field.click()
        try:
            await opened.wait_for(timeout=3000)
        except PlaywrightTimeoutError:
            # A form that is just being filled in loses the click.
            await field.click()
            await opened.wait_for()
        # One that was closed may stay in the page, hidden.
        box = self._page.locator("ha-picker-combo-box:visible")
        await box.locator("input").fill(choice)
        await box.locator("ha-combo-box-item").filter(has_text=choice).first.click()
        # It gives the form its value while it closes.
        await opened.wait_for(state="detached")
        await self._dropdowns.filter(has_text=choice).first.wait_for()

    async def type(self, name: str, value: str) -> None:
        """Fill a text field."""
        await self._dialog.locator(f"input[name={name}]").fill(value)

    async def pick(self, option: str) -> None:
        """Pick an option of a menu or of a list."""
        await self._dialog.get_by_text(option, exact=True).click()

    async def submit(self) -> None:
        """Send the form."""
        await self._dialog.get_by_role("button", name="Submit").click()

    async def close(self) -> None:
        """Leave a dialog that says why it went no further."""
        await self._dialog.get_by_role("button", name="Close").last.click()
        await self._dialog.get_by_role("button", name="Close").last.wait_for(
            state="detached"
        )

    async def finish(self) -> None:
        """Leave the dialog, which says that all went well."""
        await self.says("Success").wait_for()
        await self._dialog.get_by_role("button", name="Finish").click()
        await self._dialog.get_by_role("button", name="Finish").wait_for(
            state="detached"
        )
