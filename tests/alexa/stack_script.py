"""CloudFormation as a script plays it: what moto never does, failures above all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.emulator.models import check_input, service_model
from tests.helpers.moto import ACCOUNT, aws_error

# One more of what happens to a stack: its status, and the events that come with it.
type Scene = tuple[str, Sequence[Mapping[str, str]]]


def event(name: str, status: str, reason: str = "") -> Mapping[str, str]:
    """Return an event of a resource."""
    return {
        "LogicalResourceId": name,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@dataclass(kw_only=True)
class ScriptedStacks:
    """One stack's service: each DescribeStacks brings the next scene.

    `on_create`, `on_update` and `on_delete` are the scenes that a call begins.
    """

    name: str
    on_create: Sequence[Scene] = (("CREATE_COMPLETE", ()),)
    on_update: Sequence[Scene] = (("UPDATE_COMPLETE", ()),)
    on_delete: Sequence[Scene] = (("DELETE_COMPLETE", ()),)
    status: str | None = None
    calls: list[str] = field(default_factory=list)
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    # May raise what AWS would.
    on_call: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self._scenes: list[Scene] = []
        self._events: list[dict[str, Any]] = []
        self._numbers = count()
        self._made = 0

    @property
    def stack_id(self) -> str:
        return (
            f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/{self.name}/{self._made}"
        )

    def play(self, *scenes: Scene) -> None:
        """Let these scenes come next."""
        self._scenes = list(scenes)
        self._next()

    def __call__(self, service: str, region: str) -> Any:
        """Return a client."""
        return self if service == "cloudformation" else _Lambda()

    def describe_stacks(self, **params: Any) -> Any:
        self._check("DescribeStacks", params)
        status = self.status
        self._next()
        if status is None or (
            status == "DELETE_COMPLETE" and params["StackName"] == self.name
        ):
            raise aws_error(
                "DescribeStacks",
                "ValidationError",
                f"Stack with id {params['StackName']} does not exist",
            )
        assert params["StackName"] in (self.name, self.stack_id)
        outputs = {"FunctionArn": "arn:of:function", "Version": "1"}
        return {
            "Stacks": [
                {
                    "StackName": self.name,
                    "StackId": self.stack_id,
                    "StackStatus": status,
                    "Outputs": [
                        {"OutputKey": key, "OutputValue": value}
                        for key, value in outputs.items()
                    ]
                    if status.endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE"))
                    else [],
                }
            ]
        }

    def describe_stack_events(self, **params: Any) -> Any:
        self._check("DescribeStackEvents", params)
        assert params["StackName"] == self.stack_id, (
            "a stack that is gone has an id only"
        )
        return {"StackEvents": self._events[::-1]}

    def create_stack(self, **params: Any) -> Any:
        self._check("CreateStack", params)
        if self.status not in (None, "DELETE_COMPLETE"):
            raise aws_error(
                "CreateStack",
                "AlreadyExistsException",
                f"Stack [{self.name}] already exists",
            )
        self._made += 1
        self._events = []
        self.status = "CREATE_IN_PROGRESS"
        self._begin(self.on_create)
        return {"StackId": self.stack_id}

    def update_stack(self, **params: Any) -> Any:
        self._check("UpdateStack", params)
        if self.status not in (
            "CREATE_COMPLETE",
            "UPDATE_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE",
        ):
            raise aws_error(
                "UpdateStack",
                "ValidationError",
                f"Stack:{self.stack_id} is in {self.status} state and can not be"
                " updated.",
            )
        self.status = "UPDATE_IN_PROGRESS"
        self._begin(self.on_update)
        return {"StackId": self.stack_id}

    def delete_stack(self, **params: Any) -> Any:
        self._check("DeleteStack", params)
        self.status = "DELETE_IN_PROGRESS"
        self._begin(self.on_delete)
        return {}

    def _check(self, operation: str, params: Mapping[str, Any]) -> None:
        self.calls.append(operation)
        self.requests.append(params)
        self.on_call(operation)
        model = service_model("cloudformation").operation_model(operation)
        check_input(model, dict(params))

    def _begin(self, scenes: Sequence[Scene]) -> None:
        self._scenes = list(scenes)

    def _next(self) -> None:
        if not self._scenes:
            return
        self.status, events = self._scenes.pop(0)
        for one in events:
            self._events.append(
                {
                    "EventId": str(next(self._numbers)),
                    "PhysicalResourceId": self.stack_id
                    if one["LogicalResourceId"] == self.name
                    else f"{one['LogicalResourceId']}-1",
                    **one,
                }
            )


class _Lambda:
    """A function that nobody may look at."""

    def get_function_configuration(self, **_: Any) -> Any:
        raise aws_error("GetFunctionConfiguration", "AccessDeniedException")
