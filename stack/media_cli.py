"""``lastro media``: creators' upload links, what became of files, taking down, and erasure.

Exit codes: 0 done; 1 the outside did not answer; 2 the command line or a setting is wrong.
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from indexer.errors import ConfigurationError
from stack.answers import show

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from offchain.media.declaring import Campaign

FILES_MAX = 500
_NOT_TAKEN_DOWN = {
    "unknown": "is not known",
    "undecided": "is not decided yet: try again in a minute",
    "never_shown": "was never shown, and its object is removed in any case",
}

app = typer.Typer(no_args_is_help=True, help="Creators' files, and who may upload them.")

Json = Annotated[bool, typer.Option("--json", help="Report as one JSON object on the last line.")]
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The campaign's slug or id.")]
console = Console(highlight=False, soft_wrap=True)


class _LinkSettings(BaseSettings):
    """The write API's own variables, where they are set."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    upload_secret: SecretStr | None = Field(None, validation_alias="LASTRO_UPLOAD_SECRET")
    pages_url: str | None = Field(None, validation_alias="LASTRO_PAGES_URL")
    public_url: str | None = Field(None, validation_alias="LASTRO_PUBLIC_URL")


@app.command("upload-link")
def make_upload_link(
    slug: Slug,
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=30, help="How long it is good.")] = 7,
    as_json: Json = False,
) -> None:
    """Make a link by which a campaign's creator uploads to it; give it to nobody else."""
    from offchain.media.tokens import Grant, sign_token, upload_link
    from stack.chain_access import opened

    secret, pages_url = _signing()
    with opened("api") as engine, engine.connect() as connection:
        campaign = _campaign(connection, slug)
    end = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    token = sign_token(Grant(campaign.id, end), secret=secret.encode())
    url = upload_link(pages_url, campaign.slug, token)
    if as_json:
        show({"url": url, "expires_at": end}, as_json=True)
    else:
        console.print(url, markup=False)
        console.print(f"good until {end:%Y-%m-%d %H:%M} UTC", markup=False)


@app.command("list")
def list_files(slug: Slug, *, as_json: Json = False) -> None:
    """Tell what became of a campaign's files, the newest first."""
    from offchain.media.rows import files_of
    from stack.chain_access import opened

    with opened("api") as engine, engine.connect() as connection:
        campaign = _campaign(connection, slug)
        found = files_of(connection, campaign.id, limit=FILES_MAX)
    if as_json:
        show({"files": [asdict(file) for file in found]}, as_json=True)
        return
    for file in found:
        size = file.declared_bytes if file.stored_bytes is None else file.stored_bytes
        console.print(
            f"{file.id}  {file.created_at:%Y-%m-%d %H:%M}  {file.state:<10}  {file.purpose:<8}  "
            f"{size:>8}  {file.declared_type}{'' if file.reason is None else f'  ({file.reason})'}",
            markup=False,
        )


@app.command("remove")
def remove_file(
    file_id: Annotated[UUID, typer.Argument(metavar="FILE_ID", help="As the list shows it.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept, and never shown to anyone.")],
    by: Annotated[str, typer.Option("--by", help="Who wants it; kept likewise.")],
    as_json: Json = False,
) -> None:
    """Take a file down: no page shows it any more, and the worker removes it from the store."""
    from offchain.media.taking_down import take_down
    from stack.chain_access import opened

    who, why = _words(by, "--by", characters_max=100), _words(reason, "--reason")
    with opened("offchain") as engine, engine.begin() as connection:
        done = take_down(connection, file_id, by=who, reason=why, now=datetime.now(UTC))
    fault = _NOT_TAKEN_DOWN.get(done)
    if fault is not None:
        raise ConfigurationError(f"file {file_id} {fault}")
    if as_json:
        show({"file_id": file_id, "outcome": done}, as_json=True)
        return
    console.print(f"file {file_id} is removed" + (" already" * (done == "already")), markup=False)
    if done == "taken_down":
        console.print(
            "the worker removes its objects within seconds; caches of a CDN keep it until they are "
            "purged",
            markup=False,
        )


@app.command("erase-uploader")
def erase(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The creator, as campaigns say.")],
    *,
    as_json: Json = False,
) -> None:
    """Erase who sent files and from where, for one person; their campaigns' files stay."""
    from offchain.media.forgetting import erase_uploader
    from stack.chain_access import opened

    with opened("offchain") as engine, engine.begin() as connection:
        count = erase_uploader(connection, name)
    if as_json:
        show({"erased": count}, as_json=True)
    else:
        console.print(f"erased the uploader of {count} files", markup=False)


def _words(text: str, option: str, *, characters_max: int = 500) -> str:
    """What an operator wrote, without space around it.

    Raises:
        ConfigurationError: It is nothing, or too much.
    """
    words = text.strip()
    if not 1 <= len(words) <= characters_max or not words.isprintable():
        raise ConfigurationError(f"{option} takes 1 to {characters_max} characters on one line")
    return words


def _campaign(connection: "Connection", slug: str) -> "Campaign":
    from offchain.media.declaring import find_campaign

    campaign = find_campaign(connection, slug)
    if campaign is None:
        raise ConfigurationError(f"there is no campaign {slug}")
    return campaign


def _signing() -> tuple[str, str]:
    """The secret that signs links, and where the pages are: the environment's, else the stack's.

    Raises:
        ConfigurationError: Nothing is set, and no local stack runs here.
    """
    from indexer.settings import checked
    from stack.local import running_topology
    from stack.settings import StackSettings

    settings = checked(_LinkSettings)
    pages_url = settings.pages_url or settings.public_url
    if settings.upload_secret is not None and pages_url is not None:
        return settings.upload_secret.get_secret_value(), pages_url
    if settings.upload_secret is not None or pages_url is not None:
        raise ConfigurationError("set both LASTRO_UPLOAD_SECRET and LASTRO_PAGES_URL, or neither")
    topology = running_topology(StackSettings.from_environment())
    return topology.secrets.upload_secret, topology.api_url
