"""Whether a shared camera can be viewed, found out as an Echo would.

A built-in viewer sends its offer the way of Alexa's Lambda function, through the
service, and decodes the first picture. What it offers has the shape of an Echo's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
import time
from typing import Final, Protocol
from uuid import uuid4

from .alexa import OfferTerms, Refusal, encode_terms, parse
from .const import DOMAIN, SELF_TEST_PREFIX
from .errors import as_home_assistant_error, as_view_error
from .master_check import ECHO_WITHIN, async_is_echoed
from .peer import (
    EndReason,
    ProbeStep,
    ProbeViewer,
    RefusalReason,
    StillError,
    candidate_types,
)
from .self_test_report import (
    Advice,
    AlexaRule,
    RuleResult,
    SelfTestReport,
    Stage,
    StageResult,
    Verdict,
)
from .session_log import connection_kind
from .signaling import (
    ClientLimitExceededError,
    IceServer,
    InvalidArgumentError,
    SignalingClient,
    SignalingError,
    decode_payload,
    encode_payload,
)

# All in seconds. Alexa drops an answer after 6, and the skill's function leaves the
# last of them to itself.
ALEXA_DEADLINE: Final = 5.0
CONNECT_WITHIN: Final = 15.0
PICTURE_WITHIN: Final = 25.0  # after 20 the master itself says what is wrong
GATHER_WITHIN: Final = 11.0
# A channel takes five offers a second, of whomever they are.
LIMIT_PASSES: Final = 1.1

# What every Echo is known to show: Baseline, and no more than this many pixels.
_BASELINE: Final = "42"
_MAX_PIXELS: Final = 1280 * 720


class TestedCamera(Protocol):
    """What a self-test needs of a shared camera."""

    @property
    def channel_arn(self) -> str:
        """The channel that the camera is shared on."""
        ...

    @property
    def sharing(self) -> bool:
        """Whether the camera is meant to be on its channel."""
        ...

    @property
    def ice_servers(self) -> Sequence[IceServer]:
        """What a viewer of the channel begins with."""
        ...


class StageFailed(Exception):
    """A stage failed, and what follows cannot be tried."""

    def __init__(self, advice: Advice | None = None) -> None:
        """Tell what to do, where that differs from the stage's own advice."""
        super().__init__()
        self.advice = advice


class SelfTest:
    """The self-test of one camera: one run at a time, and the last one's report."""

    def __init__(
        self,
        *,
        camera: TestedCamera,
        client: SignalingClient,
        on_changed: Callable[[], None],
    ) -> None:
        """Bind a camera; `on_changed` is called when there is a new report."""
        self.report: SelfTestReport | None = None
        self._camera = camera
        self._client = client
        self._on_changed = on_changed
        self._running: asyncio.Task[SelfTestReport] | None = None

    async def async_run(self) -> SelfTestReport:
        """Run, or wait for the run that goes on; HomeAssistantError if it is stopped."""
        if self._running is None:
            self._running = asyncio.create_task(
                _Run(self._camera, self._client).async_run(), name=f"{DOMAIN} self-test"
            )
            self._running.add_done_callback(self._finished)
        try:
            return await asyncio.shield(running := self._running)
        except asyncio.CancelledError:
            if running.cancelled():
                raise as_view_error(EndReason.SHUTDOWN) from None
            raise

    async def async_stop(self) -> None:
        """Give up a run that goes on."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _finished(self, task: asyncio.Task[SelfTestReport]) -> None:
        self._running = None
        if not task.cancelled() and task.exception() is None:
            self.report = task.result()
            self._on_changed()


class _Run:
    """One way through all stages."""

    def __init__(self, camera: TestedCamera, client: SignalingClient) -> None:
        self._camera = camera
        self._client = client
        self._arn = camera.channel_arn
        self._results: dict[Stage, StageResult] = {}
        self._answer: str | None = None
        self._size = (0, 0)
        self._offered_at: float | None = None

    async def async_run(self) -> SelfTestReport:
        """Go as far as it goes, and leave nothing behind."""
        viewer = ProbeViewer()
        try:
            with suppress(StageFailed):
                await self._async_view(viewer)
            if self._offered_at is not None:
                await self._async_gathered(viewer)
            return self._report(viewer)
        finally:
            await viewer.close()

    async def _async_view(self, viewer: ProbeViewer) -> None:
        """Take the stages one after the other. Raises StageFailed."""
        await self._async_stage(Stage.CHANNEL, self._async_find_channel())
        await self._async_stage(Stage.MASTER, self._async_ping())
        began = time.monotonic()
        offer = await self._async_stage(
            Stage.OFFER, viewer.offer(self._camera.ice_servers)
        )
        self._offered_at = began
        self._answer = await self._async_stage(
            Stage.ANSWER, self._async_exchange(viewer, offer)
        )
        for stage, step in (
            (Stage.ICE, ProbeStep.ICE),
            (Stage.DTLS, ProbeStep.DTLS),
        ):
            await self._async_stage(stage, _async_reach(viewer, step), CONNECT_WITHIN)
        picture = await self._async_stage(
            Stage.KEY_FRAME, viewer.picture(), PICTURE_WITHIN
        )
        self._size = (picture.width, picture.height)

    async def _async_stage[T](
        self, stage: Stage, work: Awaitable[T], within: float | None = None
    ) -> T:
        """Return what a stage brings, and note how it came out. Raises StageFailed."""
        began, advice = time.monotonic(), None
        try:
            async with asyncio.timeout(within):
                result = await work
        except StageFailed as err:
            advice = err.advice
        except SignalingError as err:
            error = as_home_assistant_error(err)
            advice = Advice(
                key=error.translation_key or err.key,
                placeholders=error.translation_placeholders or {},
            )
        except StillError, TimeoutError:
            pass
        else:
            self._note(stage, Verdict.PASSED, began)
            return result
        self._note(stage, Verdict.FAILED, began, advice=advice)
        raise StageFailed

    def _note(
        self,
        stage: Stage,
        verdict: Verdict,
        began: float,
        ended: float | None = None,
        advice: Advice | None = None,
    ) -> None:
        ended = time.monotonic() if ended is None else ended
        self._results[stage] = StageResult(
            stage=stage, verdict=verdict, ms=(ended - began) * 1000, advice=advice
        )

    async def _async_find_channel(self) -> None:
        channel = await self._client.describe_channel(arn=self._arn)
        if channel.status != "ACTIVE":
            raise StageFailed

    async def _async_ping(self) -> None:
        """Have the master send something back, through the service."""
        if not self._camera.sharing:
            raise StageFailed(Advice(key="self_test_not_shared"))
        if not await _async_patiently(lambda: async_is_echoed(self._client, self._arn)):
            raise StageFailed

    async def _async_exchange(self, viewer: ProbeViewer, offer: str) -> str:
        """Send the offer as the skill's function does, and apply the answer."""
        session = uuid4().hex
        # A refusal is told to those alone who say until when they wait.
        terms = OfferTerms(
            deadline=time.time()
            + self._client.clock.offset.total_seconds()
            + ALEXA_DEADLINE,
            session=session,
        )
        content = {"type": "offer", "sdp": offer, **encode_terms(terms)}
        try:
            async with asyncio.timeout(ECHO_WITHIN):
                payload = await _async_patiently(
                    lambda: self._client.send_alexa_offer(
                        self._arn,
                        sender_client_id=f"{SELF_TEST_PREFIX}{session}",
                        message_payload=encode_payload(content),
                    )
                )
        except InvalidArgumentError:
            # This is how the service says that nobody has answered.
            raise StageFailed from None
        answer = _read_answer(payload)
        await viewer.accept(answer)
        return answer

    async def _async_gathered(self, viewer: ProbeViewer) -> None:
        """Note what the servers gave, which was gathered beside all the rest."""
        began = self._offered_at or 0.0
        for stage, step in (
            (Stage.STUN, ProbeStep.STUN),
            (Stage.RELAY, ProbeStep.RELAY),
        ):
            left = began + GATHER_WITHIN - time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    reached = await viewer.reached(step)
            except TimeoutError:
                reached = None
            verdict = Verdict.FAILED if reached is None else Verdict.PASSED
            self._note(stage, verdict, began, reached)

    def _report(self, viewer: ProbeViewer) -> SelfTestReport:
        kind = connection_kind(*viewer.selected_types)
        return SelfTestReport(
            stages=tuple(
                self._results.get(
                    stage, StageResult(stage=stage, verdict=Verdict.NOT_REACHED)
                )
                for stage in Stage
            ),
            rules=tuple(self._rules(viewer.profile)),
            connection=str(kind) if kind else None,
        )

    def _rules(self, profile: str | None) -> Iterator[RuleResult]:
        """Judge what came by what an Echo takes."""
        answered = self._results.get(Stage.ANSWER)
        ms = answered.ms if answered and self._answer else None
        yield _rule(
            AlexaRule.DEADLINE,
            f"{ms:.0f} ms" if ms is not None else None,
            kept=ms is not None and ms <= ALEXA_DEADLINE * 1000,
        )
        types = candidate_types(self._answer) if self._answer else None
        yield _rule(
            AlexaRule.CANDIDATES,
            ", ".join(types) if types is not None else None,
            kept=not {"srflx", "relay"}.isdisjoint(types or ()),
        )
        yield _rule(
            AlexaRule.PROFILE, profile, kept=(profile or "").startswith(_BASELINE)
        )
        width, height = self._size
        yield _rule(
            AlexaRule.SIZE,
            f"{width}x{height}" if width else None,
            kept=width * height <= _MAX_PIXELS,
        )


def _rule(rule: AlexaRule, value: str | None, *, kept: bool) -> RuleResult:
    """Return how a rule came out; None is what was not found out."""
    if value is None:
        return RuleResult(rule=rule, verdict=Verdict.NOT_REACHED)
    verdict = Verdict.PASSED if kept else Verdict.FAILED
    return RuleResult(rule=rule, verdict=verdict, value=value)


def _read_answer(payload: str | None) -> str:
    """Return the SDP of an answer. Raises StageFailed."""
    try:
        content = decode_payload(payload or "")
    except ValueError:
        raise StageFailed from None
    if isinstance(content, str):
        return content
    if isinstance(refusal := parse(content), Refusal):
        known = refusal.reason in set(RefusalReason)
        raise StageFailed(Advice(key=refusal.reason) if known else None)
    sdp = content.get("sdp")
    if not isinstance(sdp, str):
        raise StageFailed
    return sdp


async def _async_patiently[T](call: Callable[[], Awaitable[T]]) -> T:
    """Make a call once more if others have used up the channel's rate."""
    try:
        return await call()
    except ClientLimitExceededError:
        await asyncio.sleep(LIMIT_PASSES)
        return await call()


async def _async_reach(viewer: ProbeViewer, step: ProbeStep) -> None:
    if await viewer.reached(step) is None:
        raise StageFailed


def is_self_test(viewer_id: str) -> bool:
    """Return whether a viewer is the built-in one, which judges the live stream alone."""
    return viewer_id.startswith(SELF_TEST_PREFIX)
