"""What a skill asks or tells the user: repairs, each taken back when it is over."""

from collections.abc import Iterable
from enum import IntEnum
import hashlib
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .alexa.errors import AccessRefusedError
from .alexa.parameters import Owner
from .const import CONF_OWNERS, DOCUMENTATION_URL, DOMAIN

KIND_OWNER: Final = "owner"
KIND_BACKEND: Final = "backend"
KIND_LEFTOVERS: Final = "leftovers"


class BackendState(IntEnum):
    """What may be wrong with a backend, the worst last."""

    FINE = 0
    OUTDATED = 1
    DRIFTED = 2
    MISSING = 3


_BACKEND_ISSUES: Final = {
    BackendState.OUTDATED: "skill_backend_outdated",
    BackendState.DRIFTED: "skill_backend_drifted",
    BackendState.MISSING: "skill_backend_missing",
}


class SkillIssues:
    """The repairs of one skill."""

    def __init__(
        self, *, hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentry
    ) -> None:
        """Bind a skill."""
        self._hass = hass
        self._subentry = subentry
        self._prefix = f"alexa_skill_{subentry.subentry_id}_"
        self._data: dict[str, Any] = {
            "entry_id": entry.entry_id,
            "subentry_id": subentry.subentry_id,
        }

    @callback
    def async_owners(self, pending: Iterable[Owner]) -> None:
        """Ask about each who wants to look, and no longer about the others."""
        asked = {f"owner_{_digest(owner.user_id)}": owner for owner in pending}
        for issue_id in self._ids():
            key = issue_id.removeprefix(self._prefix)
            if key.startswith("owner_") and key not in asked:
                ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        for key, owner in asked.items():
            person = person_of(owner)
            self._create(
                key,
                "skill_owner",
                {"person": person},
                fix={
                    "kind": KIND_OWNER,
                    "user_id": owner.user_id,
                    "person": person,
                },
            )

    @callback
    def async_backend(self, state: BackendState) -> None:
        """Say what is wrong with the backend."""
        issue = _BACKEND_ISSUES.get(state)
        for key in _BACKEND_ISSUES.values():
            if key != issue:
                self._delete(key)
        if issue:
            self._create(issue, issue, {}, fix={"kind": KIND_BACKEND})

    @callback
    def async_no_access(self, err: AccessRefusedError) -> None:
        """Say which right the account's keys lack."""
        placeholders = {
            "action": err.action or "*",
            "documentation_url": DOCUMENTATION_URL,
        }
        self._create("skill_no_access", "skill_no_access", placeholders)

    @callback
    def async_access(self) -> None:
        """Take that back."""
        self._delete("skill_no_access")

    @callback
    def async_secrets_refused(self) -> None:
        """Say that Amazon does not take the skill's client id and secret."""
        self._create("skill_secrets_refused", "skill_secrets_refused", {})

    @callback
    def async_unlinked(self, user_id: str) -> None:
        """Say that somebody has to link the skill anew to be told of events."""
        person = self._subentry.data.get(CONF_OWNERS, {}).get(user_id, user_id)
        key = f"unlinked_{_digest(user_id)}"
        self._create(key, "skill_unlinked", {"person": person})

    @callback
    def async_linked(self, user_id: str) -> None:
        """Take that back."""
        self._delete(f"unlinked_{_digest(user_id)}")

    @callback
    def async_clear(self) -> None:
        """Take everything back."""
        for issue_id in self._ids():
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)

    def _ids(self) -> list[str]:
        return [
            issue_id
            for domain, issue_id in ir.async_get(self._hass).issues
            if domain == DOMAIN and issue_id.startswith(self._prefix)
        ]

    @callback
    def _create(
        self,
        key: str,
        translation_key: str,
        placeholders: dict[str, str],
        *,
        fix: dict[str, Any] | None = None,
    ) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._prefix + key,
            data={**self._data, **fix} if fix else None,
            is_fixable=fix is not None,
            severity=ir.IssueSeverity.WARNING,
            translation_key=translation_key,
            translation_placeholders={
                "skill": self._subentry.title,
                **placeholders,
            },
        )

    @callback
    def _delete(self, key: str) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, self._prefix + key)


def person_of(owner: Owner) -> str:
    """Return an owner's name and address, as Amazon has them."""
    name, email = owner.name.strip(), owner.email.strip()
    if name and email:
        return f"{name} ({email})"
    return name or email or owner.user_id


def _digest(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:16]
