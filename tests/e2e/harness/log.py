"""What Home Assistant logged, and what it must not have logged."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
import re
from typing import Self

from tests.helpers.secrets import find_secrets

_RECORD = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:.+-]+ (?P<level>[A-Z]+) \((?P<thread>.+?)\) "
    r"\[(?P<logger>[^\]]+)\] (?P<message>.*)$"
)
_TROUBLE = frozenset({"WARNING", "ERROR", "CRITICAL"})
_OURS = ("custom_components.kinesis_webrtc", "aiortc", "aioice", "libav", "asyncio")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record: the lines that follow its first (a traceback) belong to its text."""

    level: str
    logger: str
    text: str


class HomeAssistantLog:
    """The records of a run."""

    def __init__(self, records: Sequence[LogRecord]) -> None:
        self.records = records

    @classmethod
    def parse(cls, lines: Iterable[str], *, leave_out: Container[int] = ()) -> Self:
        """Read records out of the process's lines, without those of some numbers."""
        records: list[LogRecord] = []
        for line in lines:
            if match := _RECORD.match(line):
                records.append(
                    LogRecord(match["level"], match["logger"], match["message"])
                )
            elif records:
                last = records.pop()
                records.append(
                    LogRecord(last.level, last.logger, f"{last.text}\n{line}")
                )
        return cls(
            [record for number, record in enumerate(records) if number not in leave_out]
        )

    def find(self, pattern: str) -> set[int]:
        """Return the numbers of the records whose text matches an expression."""
        return {
            number
            for number, record in enumerate(self.records)
            if re.search(pattern, record.text)
        }

    @property
    def text(self) -> str:
        """Return all of it."""
        return "\n".join(record.text for record in self.records)

    def assert_clean(self, *, allow: Sequence[str] = ()) -> None:
        """Fail on blocking calls, and on trouble that comes from the integration.

        Trouble is a record at warning level or above of our loggers or of the libraries
        that only we use, or any record with a traceback through our code. A record that
        matches an expression in allow is left out.
        """
        assert self.records, "nothing was read"
        found = [
            f"{record.level} {record.logger}: {record.text}"
            for record in self.records
            if _is_trouble(record)
            and not any(re.search(pattern, record.text) for pattern in allow)
        ]
        assert not found, "Home Assistant's log:\n" + "\n".join(found)

    def assert_without(self, secrets: Iterable[str]) -> None:
        """Fail when one of the secrets is in the log, at whatever level."""
        text = self.text
        assert text, "nothing was read"
        assert not find_secrets({"log": text}, secrets)


def _is_trouble(record: LogRecord) -> bool:
    if "blocking call" in record.text:
        return True
    if record.level not in _TROUBLE:
        return False
    if record.logger.startswith(_OURS):
        # The loader warns once about every custom integration; that is its own logger.
        return True
    return "custom_components/kinesis_webrtc" in record.text
