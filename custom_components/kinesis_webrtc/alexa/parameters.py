"""What Home Assistant and the skill's backend keep for each other in Parameter Store.

The names and contents are described in lambda_function.py. All are SecureStrings of the
standard tier under the key aws/ssm, both of which cost nothing to have. A standard
parameter holds 4,096 bytes, which is room for some eighty owners: more than a household
has, and an advanced one would be charged for each month and never be standard again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
import hashlib
import json
import logging
from typing import Any, Final

from .aws import Aws, CreateClient, Execute
from .errors import TooManyOwnersError

_LOGGER = logging.getLogger(__name__)

# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
MAX_VALUE: Final = 4096
_CLIENT_ID: Final = "client_id"
_CLIENT_SECRET: Final = "client_secret"  # noqa: S105 - a name
_LINKING_CLIENT_ID: Final = "linking_client_id"
_OWNERS: Final = "owners"
_PENDING: Final = "pending"
_GRANTS: Final = "grants"
# As many as DeleteParameters takes.
_BATCH: Final = 10


def ssm_path(skill_id: str) -> str:
    """Return the path of a skill's parameters."""
    return f"/kinesis-webrtc/{skill_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillSecrets:
    """The skill's client ids, and the secret of its permission to send events.

    `linking_client_id` is account linking's, where that is another one.
    """

    client_id: str
    client_secret: str = field(repr=False)
    linking_client_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An Amazon user who has asked for the cameras; `asked_ms` is a Unix time in ms."""

    user_id: str
    name: str
    email: str
    asked_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who may look, by user id; `pending` are those about whom nobody has decided."""

    allowed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    pending: tuple[Owner, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The permission to send events to a user; `granted_ms` is a Unix time in ms.

    `region` is AWS's, of the function that got it: the user's events are taken by the
    event gateway of that part of the world alone. It is None where it is not known.
    """

    user_id: str
    refresh_token: str = field(repr=False)
    granted_ms: int
    region: str | None = None


class SkillParameters:
    """The parameters of one skill. All methods raise AlexaSkillErrors."""

    def __init__(
        self,
        *,
        create_client: CreateClient,
        execute: Execute,
        region: str,
        path: str,
        deciding: asyncio.Lock | None = None,
    ) -> None:
        """Prepare, for the parameters below a path in a region.

        All who decide who may look share `deciding`.
        """
        self._aws = Aws(create_client=create_client, execute=execute)
        self._region = region
        self._path = path.rstrip("/")
        # The owners' list is read, changed and written.
        self._deciding = deciding or asyncio.Lock()

    async def write_secrets(self, secrets: SkillSecrets) -> None:
        """Hand the secrets to the backend, which reads them every five minutes."""
        await self._write(_CLIENT_ID, secrets.client_id)
        await self._write(_CLIENT_SECRET, secrets.client_secret)
        if secrets.linking_client_id:
            await self._write(_LINKING_CLIENT_ID, secrets.linking_client_id)
        else:
            await self._delete(_LINKING_CLIENT_ID)

    async def read_secrets(self) -> SkillSecrets | None:
        """Return the secrets, or None while they are not stored."""
        found = await self._read()
        if _CLIENT_ID not in found or _CLIENT_SECRET not in found:
            return None
        return SkillSecrets(
            client_id=found[_CLIENT_ID],
            client_secret=found[_CLIENT_SECRET],
            linking_client_id=found.get(_LINKING_CLIENT_ID),
        )

    async def read_owners(self) -> Owners:
        """Return who may look, who may not, and who has asked, the earliest first."""
        owners = _owners(await self._read())
        decided = {*owners.allowed, *owners.refused}
        asking = [
            Owner(
                user_id=str(content["user_id"]),
                name=str(content["name"]),
                email=str(content["email"]),
                asked_ms=int(content["asked_ms"]),
            )
            for content in await self._read_all(
                _PENDING, {"user_id", "name", "email", "asked_ms"}
            )
            if content["user_id"] not in decided
        ]
        asking.sort(key=lambda owner: owner.asked_ms)
        return Owners(
            allowed=owners.allowed, refused=owners.refused, pending=tuple(asking)
        )

    async def allow(self, user_id: str) -> None:
        """Let a user look; raises TooManyOwnersError."""
        await self._decide(user_id, allowed=True)

    async def refuse(self, user_id: str) -> None:
        """Let a user neither look nor ask, and forget how to send them events."""
        await self._decide(user_id, refused=True)
        await self._delete(f"{_GRANTS}/{_digest(user_id)}")

    async def withdraw(self, user_id: str) -> None:
        """Let a user look no longer; they may ask again."""
        await self._decide(user_id)

    async def read_grants(self) -> tuple[Grant, ...]:
        """Return the grants of the users who may look."""
        allowed = _owners(await self._read()).allowed
        grants = [
            Grant(
                user_id=str(content["user_id"]),
                refresh_token=str(content["refresh_token"]),
                granted_ms=int(content["granted_ms"]),
                region=content.get("region") or None,
            )
            for content in await self._read_all(
                _GRANTS, {"user_id", "refresh_token", "granted_ms"}
            )
            if content["user_id"] in allowed
        ]
        return tuple(sorted(grants, key=lambda grant: grant.user_id))

    async def delete_all(self) -> None:
        """Delete whatever is below the path."""
        names = sorted(await self._read(recursive=True, decrypted=False))
        for begin in range(0, len(names), _BATCH):
            await self._delete(*names[begin : begin + _BATCH])

    async def _decide(
        self, user_id: str, *, allowed: bool = False, refused: bool = False
    ) -> None:
        async with self._deciding:
            owners = _owners(await self._read())
            lists = {
                "allowed": [one for one in owners.allowed if one != user_id],
                "refused": [one for one in owners.refused if one != user_id],
            }
            if allowed:
                lists["allowed"].append(user_id)
            if refused:
                lists["refused"].append(user_id)
            # Whoever was refused long ago may have to be refused again.
            while len(_encode(lists)) > MAX_VALUE and len(lists["refused"]) > refused:
                del lists["refused"][0]
            if len(_encode(lists)) > MAX_VALUE:
                raise TooManyOwnersError
            await self._write(_OWNERS, _encode(lists))
            await self._delete(f"{_PENDING}/{_digest(user_id)}")

    async def _read_all(
        self, folder: str, members: set[str]
    ) -> list[Mapping[str, Any]]:
        """Return the JSON objects in a folder that have these members."""
        contents: list[Mapping[str, Any]] = []
        for name, value in (await self._read(folder)).items():
            try:
                content = json.loads(value)
            except ValueError:
                content = None
            if isinstance(content, dict) and members <= content.keys():
                contents.append(content)
            else:
                _LOGGER.warning("The parameter %s/%s cannot be read", folder, name)
        return contents

    async def _read(
        self, folder: str = "", *, recursive: bool = False, decrypted: bool = True
    ) -> dict[str, str]:
        """Return what is in a folder, by the names within it."""
        path = f"{self._path}/{folder}".rstrip("/")
        params: dict[str, object] = {
            "Path": path,
            "Recursive": recursive,
            "WithDecryption": decrypted,
        }
        found: dict[str, str] = {}
        while True:
            response = await self._call("GetParametersByPath", params)
            for parameter in response.get("Parameters", ()):
                name = parameter["Name"].removeprefix(f"{path}/")
                found[name] = parameter["Value"]
            if not (token := response.get("NextToken")):
                return found
            params["NextToken"] = token

    async def _write(self, name: str, value: str) -> None:
        await self._call(
            "PutParameter",
            {
                "Name": f"{self._path}/{name}",
                "Value": value,
                "Type": "SecureString",
                "Tier": "Standard",
                "Overwrite": True,
            },
        )

    async def _delete(self, *names: str) -> None:
        """Delete parameters, those that are there."""
        await self._call(
            "DeleteParameters", {"Names": [f"{self._path}/{name}" for name in names]}
        )

    async def _call(
        self, operation: str, params: Mapping[str, object]
    ) -> Mapping[str, Any]:
        return await self._aws.call("ssm", self._region, operation, params)


def _owners(found: Mapping[str, str]) -> Owners:
    """Return the list of owners; one that is damaged lets nobody look."""
    try:
        content = json.loads(found.get(_OWNERS, "{}"))
        return Owners(
            allowed=tuple(map(str, content.get("allowed", ()))),
            refused=tuple(map(str, content.get("refused", ()))),
        )
    except ValueError, AttributeError, TypeError:
        _LOGGER.warning("The list of owners cannot be read: nobody is allowed")
        return Owners()


def _encode(lists: Mapping[str, list[str]]) -> str:
    return json.dumps(lists, separators=(",", ":"))


def _digest(user_id: str) -> str:
    """Return a user's part of a parameter's name, as the backend makes it."""
    return hashlib.sha256(user_id.encode("utf-8", "replace")).hexdigest()[:32]
