import asyncio
from collections.abc import Awaitable, Callable

from custom_components.kinesis_webrtc.signaling.pacing import Pacer

type InVirtualTime = Callable[[Callable[[], Awaitable[None]]], None]


def test_limit_holds_in_every_period(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pacer = Pacer(limit=5, period=1.0)
        passed: list[float] = []

        async def send() -> None:
            await pacer.wait()
            passed.append(loop.time())

        await asyncio.gather(*(send() for _ in range(23)))

        assert passed[4] == passed[0]
        for first, sixth in zip(passed, passed[5:], strict=False):
            assert sixth - first >= 0.999
        assert passed[-1] - passed[0] < 4.1

    in_virtual_time(main)


def test_order_is_that_of_asking(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        pacer = Pacer(limit=2, period=1.0)
        order: list[int] = []

        async def send(number: int) -> None:
            await pacer.wait()
            order.append(number)

        await asyncio.gather(*(send(number) for number in range(9)))

        assert order == list(range(9))

    in_virtual_time(main)


def test_one_who_gives_up_holds_up_nobody(in_virtual_time: InVirtualTime) -> None:
    async def main() -> None:
        pacer = Pacer(limit=1, period=10.0)
        await pacer.wait()
        impatient = asyncio.create_task(pacer.wait())
        await asyncio.sleep(1)
        impatient.cancel()

        async with asyncio.timeout(9.5):
            await pacer.wait()

    in_virtual_time(main)
