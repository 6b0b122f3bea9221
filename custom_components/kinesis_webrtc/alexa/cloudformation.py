"""CloudFormation's stacks in one region, waited for: it has nothing but polling."""

import asyncio
from collections.abc import Callable, Mapping
import logging
from typing import Any, Final

from .aws import Aws, denied_action, is_passing
from .errors import (
    AccessRefusedError,
    AlexaServiceError,
    AlexaSkillError,
    StackFailedError,
)

_LOGGER = logging.getLogger(__name__)

_SUCCEEDED: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_NO_UPDATES: Final = "No updates are to be performed"

type Description = Mapping[str, Any]
# Is told the part that is done, 0 to 1.
type Progress = Callable[[float], None]


class CloudFormation:
    """Stacks: found by their names while they are there, by their ids for ever.

    An operation that has not succeeded raises StackFailedError with the reason of the
    resource that failed first. None has an end of its own: callers set one.
    """

    def __init__(self, aws: Aws, region: str, *, poll_interval: float) -> None:
        """Prepare to ask each `poll_interval` seconds."""
        self._aws = aws
        self._region = region
        self._poll_interval = poll_interval

    async def find(self, name: str) -> Description | None:
        """Return a stack by its name or id, or None if it is not there."""
        try:
            response = await self._call("DescribeStacks", {"StackName": name})
        except AlexaServiceError as err:
            if "does not exist" in err.message:
                return None
            raise
        found: Description = response["Stacks"][0]
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    async def rest(self, name: str) -> Description | None:
        """Return a stack when nothing is done to it any more."""
        found = await self.find(name)
        while found is not None and is_under_way(found):
            await self.pause()
            found = await self._poll(found["StackId"])
        return found

    async def pause(self) -> None:
        """Wait as long as between two questions."""
        await asyncio.sleep(self._poll_interval)

    async def create(
        self, request: Mapping[str, object], total: int, on_progress: Progress
    ) -> None:
        """Make a stack of so many resources; of a failed one nothing is left."""
        # Where nobody lives to see it fail, CloudFormation cleans up by itself.
        created = await self._call("CreateStack", {**request, "OnFailure": "DELETE"})
        operation = _Operation(created["StackId"], None, total, on_progress)
        found = await self._watch(operation)
        if found is not None and found["StackStatus"] in _SUCCEEDED:
            return
        failure = await self._failure(operation, found)
        if found is not None:
            try:
                await self.delete(operation.stack_id)
            except AlexaSkillError as err:
                _LOGGER.warning("%s was not deleted: %s", operation.stack_id, err)
        raise failure

    async def update(
        self,
        stack_id: str,
        request: Mapping[str, object],
        total: int,
        on_progress: Progress,
    ) -> None:
        """Change a stack; a change that fails is undone by CloudFormation."""
        last = await self._last_event(stack_id)
        try:
            await self._call("UpdateStack", request)
        except AlexaServiceError as err:
            if _NO_UPDATES in err.message:
                return
            raise
        operation = _Operation(stack_id, last, total, on_progress)
        found = await self._watch(operation)
        if found is None or found["StackStatus"] not in _SUCCEEDED:
            raise await self._failure(operation, found)

    async def delete(self, stack_id: str) -> None:
        """Delete a stack and return when it is gone."""
        operation = _Operation(stack_id, await self._last_event(stack_id))
        await self._call("DeleteStack", {"StackName": stack_id})
        found = await self._watch(operation)
        if found is not None:
            raise await self._failure(operation, found)

    async def _watch(self, operation: _Operation) -> Description | None:
        """Return the stack when it rests, or None when it is gone."""
        while (found := await self._poll(operation.stack_id)) is not None:
            if not is_under_way(found):
                break
            try:
                operation.show(await self._events(operation))
            except AlexaSkillError as err:
                _LOGGER.debug("The progress is not known: %s", err)
            await self.pause()
        return found

    async def _poll(self, stack_id: str) -> Description | None:
        """Find a stack, whatever the network and throttling do meanwhile."""
        while True:
            try:
                return await self.find(stack_id)
            except AlexaSkillError as err:
                if not is_passing(err):
                    raise
                _LOGGER.debug("%s cannot be described now: %s", stack_id, err)
            await self.pause()

    async def _failure(
        self, operation: _Operation, found: Description | None
    ) -> StackFailedError:
        """Return the reason of the resource that failed first: others only follow."""
        status = found or {"StackStatus": "DELETE_COMPLETE"}
        last = status.get("StackStatusReason") or status["StackStatus"]
        try:
            events = await self._events(operation)
        except AccessRefusedError as err:
            return StackFailedError(
                f"{last}; the keys lack the IAM action {err.action}, which tells more",
                action=err.action,
            )
        except AlexaSkillError as err:
            _LOGGER.debug("The reason is not known: %s", err)
            events = []
        reasons = [
            str(event["ResourceStatusReason"])
            for event in events
            if event["ResourceStatus"].endswith("_FAILED")
            and event.get("ResourceStatusReason")
        ]
        # These are the resources whose turn did not come.
        reasons.sort(key=lambda reason: " cancelled" in reason)
        reasons.append(last)
        return StackFailedError(reasons[0], action=denied_action(reasons[0]))

    async def _last_event(self, stack_id: str) -> str | None:
        events = await self._events(_Operation(stack_id))
        return str(events[-1]["EventId"]) if events else None

    async def _events(self, operation: _Operation) -> list[Mapping[str, Any]]:
        """Return what has happened since an operation began, the earliest first.

        The hundred events of the first page are more than any of ours makes.
        """
        response = await self._call(
            "DescribeStackEvents", {"StackName": operation.stack_id}
        )
        events: list[Mapping[str, Any]] = []
        for event in response.get("StackEvents", ()):
            if event["EventId"] == operation.last_event:
                break
            events.insert(0, event)
        return events

    async def _call(
        self, operation: str, params: Mapping[str, object]
    ) -> Mapping[str, Any]:
        return await self._aws.call("cloudformation", self._region, operation, params)


class _Operation:
    """One that is under way, the last event before it, and how far it has come."""

    def __init__(
        self,
        stack_id: str,
        last_event: str | None = None,
        total: int = 1,
        on_progress: Progress = lambda _: None,
    ) -> None:
        self.stack_id = stack_id
        self.last_event = last_event
        self._total = total
        self._on_progress = on_progress
        self._progress = 0.0

    def show(self, events: list[Mapping[str, Any]]) -> None:
        done = {
            event["LogicalResourceId"]
            for event in events
            if event["ResourceStatus"].endswith("_COMPLETE")
            and event.get("PhysicalResourceId") != self.stack_id
        }
        progress = min(len(done) / self._total, 0.99)
        if progress > self._progress:
            self._progress = progress
            self._on_progress(progress)


def is_under_way(found: Description) -> bool:
    """Return whether CloudFormation is at work on a stack.

    One whose first change set nobody has executed only sounds so.
    """
    status: str = found["StackStatus"]
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def is_overtaken(err: AlexaServiceError) -> bool:
    """Return whether somebody else did something to the stack at the same time."""
    return err.code.startswith("AlreadyExists") or "_IN_PROGRESS state" in err.message
