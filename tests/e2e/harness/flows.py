"""Config and subentry flows over Home Assistant's REST API."""

from collections.abc import Mapping
from typing import Self

from .client import HomeAssistantClient, Json

ENTRIES = "/api/config/config_entries/flow"
OPTIONS = "/api/config/config_entries/options/flow"
SUBENTRIES = "/api/config/config_entries/subentries/flow"


class FlowError(Exception):
    """A flow did not end where it should."""


class Flow:
    """A flow in progress: the last answer of Home Assistant."""

    def __init__(self, client: HomeAssistantClient, path: str, answer: Json) -> None:
        self._client = client
        self._path = path
        self.answer = answer

    @classmethod
    async def start(
        cls, client: HomeAssistantClient, path: str, handler: object, **extra: object
    ) -> Self:
        """Start a flow of a handler: a domain, an entry id, or (entry id, type).

        Raises FlowError when the flow ends before it has begun.
        """
        answer = await client.post(path, {"handler": handler, **extra})
        if answer["type"] == "abort":
            raise FlowError(str(answer))
        return cls(client, path, answer)

    @property
    def fields(self) -> dict[str, Json]:
        """Return the form's fields by name."""
        return {field["name"]: field for field in self.answer.get("data_schema") or []}

    @property
    def suggested(self) -> dict[str, Json]:
        """Return the values that the form begins with, by field."""
        return {
            name: field["description"]["suggested_value"]
            for name, field in self.fields.items()
            if "suggested_value" in field.get("description", {})
        }

    async def submit(self, values: Mapping[str, object]) -> Json:
        """Send a form or a menu's choice and return the answer."""
        self.answer = await self._client.post(
            f"{self._path}/{self.answer['flow_id']}", values
        )
        return self.answer

    async def finish(self, values: Mapping[str, object]) -> Json:
        """Send the last form and return the result.

        Raises FlowError when the flow does not create its entry.
        """
        answer = await self.submit(values)
        if answer["type"] != "create_entry":
            raise FlowError(str(answer))
        return answer
