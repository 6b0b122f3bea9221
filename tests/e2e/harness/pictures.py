"""What decoded pictures must be to count as the camera's."""

from collections.abc import Sequence
from itertools import dropwhile, pairwise

from .clip import FRAMES, SIZE
from .echo import Frames


def assert_pictures(
    frames: Frames,
    *,
    camera: int,
    size: tuple[int, int] = SIZE,
    longest_step: int = 5,
) -> None:
    """Hold that all frames are the camera's, whole, and follow one another."""
    assert frames.damaged == 0
    assert frames.cameras == [camera]
    assert (frames.width, frames.height) == size
    assert_moving(frames.numbers, longest_step=longest_step)


def assert_goes_on(frames: Frames, *, camera: int) -> None:
    """Hold that a view lasted; it is the camera's, though not each picture is whole.

    A machine that starts another view meanwhile may lose a packet, which costs the
    pictures up to the next key frame.
    """
    assert frames.cameras == [camera]
    numbers = frames.numbers
    for half in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]):
        whole = [number for number in half if number is not None]
        assert len(whole) > len(half) / 4, numbers


def assert_moving(numbers: Sequence[int | None], *, longest_step: int = 5) -> None:
    """Hold that every frame could be read and comes soon after the one before.

    A viewer on a busy machine shows what it can: give it a `longest_step` of more. While
    the stream opens there may be one picture that stands in for it, again and again.
    """
    read = [number for number in numbers if number is not None]
    assert len(read) == len(numbers), numbers
    live = list(dropwhile(lambda number: number == read[0], read))
    assert len(live) > len(read) / 2, numbers
    steps = [(later - earlier) % FRAMES for earlier, later in pairwise(live)]
    assert all(1 <= step <= longest_step for step in steps), numbers
