"""The skill backend's template as a file, for a stack that is made by hand."""

from datetime import timedelta
from functools import partial
from html import escape
from http import HTTPStatus
from typing import Final

from aiohttp import web
from homeassistant.components.http import HomeAssistantView
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant, callback
from yarl import URL

from .alexa.stack import StackSettings, template_body
from .const import DOMAIN

_FILE: Final = "alexa-skill.json"
_URL: Final = f"/api/{DOMAIN}/alexa_skill_template"
_SETTINGS: Final = frozenset({"SkillId", "ChannelRegion", "NamePrefix", "SsmPath"})
# As long as somebody may take from the form to the download.
_EXPIRATION: Final = timedelta(minutes=30)


class SkillTemplateView(HomeAssistantView):
    """Gives the template, with the settings of the query as its defaults."""

    url = _URL
    name = f"api:{DOMAIN}:alexa_skill_template"

    def __init__(self, hass: HomeAssistant) -> None:
        """Bind Home Assistant."""
        self._hass = hass

    async def get(self, request: web.Request) -> web.Response:
        """Return the template as a file."""
        settings = {name: request.query.get(name, "") for name in _SETTINGS}
        if not all(settings.values()):
            return self.json_message("A setting is missing", HTTPStatus.BAD_REQUEST)
        body = await self._hass.async_add_executor_job(
            partial(template_body, defaults=settings)
        )
        return web.Response(
            body=body.encode(),
            content_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{_FILE}"'},
        )


@callback
def async_template_link(hass: HomeAssistant, settings: StackSettings) -> str:
    """Return a link that gives a skill's template to whoever has it, for a while."""
    url = URL(_URL).with_query(dict(settings.parameters))
    path = async_sign_path(hass, str(url), _EXPIRATION)
    # Without a target the frontend would look for a page of its own.
    return f'<a href="{escape(path)}" target="_blank">{_FILE}</a>'
