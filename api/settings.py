"""What the read API is configured by.

It holds no signer, no RPC URL and no credentials of the store, so it can leak none of them.
"""

from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr

from indexer.settings import ProcessSettings
from offchain.media.settings import PublicMediaSettings

CURSOR_SECRET_CHARACTERS_MIN = 16


class ApiSettings(PublicMediaSettings, ProcessSettings):
    """The read API, and the pages."""

    host: str = Field(
        "127.0.0.1", description="Address the API listens on.", validation_alias="LASTRO_API_HOST"
    )
    port: int = Field(
        8001,
        ge=1,
        le=65535,
        description="Port the API listens on.",
        validation_alias="LASTRO_API_PORT",
    )
    deployments_dir: Path | None = Field(
        None,
        description="Directory of <network>.json deployment records; without it token amounts carry"
        " no decimals.",
        validation_alias="LASTRO_DEPLOYMENTS_DIR",
    )
    cursor_secret: SecretStr | None = Field(
        None,
        min_length=CURSOR_SECRET_CHARACTERS_MIN,
        description="Key that signs page cursors; the same on every replica. Without it each start"
        " makes its own, and older cursors answer 400.",
        validation_alias="LASTRO_CURSOR_SECRET",
    )
    expected_revision: str | None = Field(
        None,
        description="Migration the database must be at for /readyz; unset asks only that there is"
        " one.",
        validation_alias="LASTRO_EXPECTED_REVISION",
    )
    public_url: AnyHttpUrl | None = Field(
        None,
        description="Where the outside reaches the write API, for uploads from a page; unset: at"
        " the page's own origin.",
        validation_alias="LASTRO_PUBLIC_URL",
    )
