"""What a process reaches of the media pipeline, opened once from its settings."""

from dataclasses import dataclass, replace

from pydantic import AnyHttpUrl

from offchain.media.calls import QUICK_READ_TIMEOUT_S, Access, ClientMaker
from offchain.media.queue import WAIT_S, EventQueue
from offchain.media.settings import EngineName, MediaWorkSettings, SiblingName, StoreSettings
from offchain.media.store import MediaStore
from offchain.media.urls import PublicUrls, public_urls


@dataclass(frozen=True, slots=True)
class Media:
    """A bucket, where the public finds it, and what its files are worked on with."""

    store: MediaStore
    urls: PublicUrls
    bucket: str
    events: EventQueue | None = None
    """None: nobody announces uploads, or not to this process."""
    engine: EngineName = "pillow"
    siblings: tuple[SiblingName, ...] = ()

    def close(self) -> None:
        """Close every connection."""
        self.store.close()
        if self.events is not None:
            self.events.close()


def open_media(settings: StoreSettings) -> Media | None:
    """Prepare what a process needs to sign uploads, and the worker to decide them.

    Nothing is asked of the store yet.

    Returns:
        None while no bucket is set.
    """
    urls = public_urls(settings)
    if settings.s3_bucket is None or urls is None:
        return None
    endpoint = settings.s3_endpoint_url
    outside = settings.s3_public_endpoint_url or endpoint
    inside = _access(settings, "s3", endpoint)
    store = MediaStore(
        settings.s3_bucket,
        inside=ClientMaker(inside),
        quick=ClientMaker(replace(inside, read_timeout_s=QUICK_READ_TIMEOUT_S)),
        outside=ClientMaker(_access(settings, "s3", outside)),
    )
    if not isinstance(settings, MediaWorkSettings):
        return Media(store, urls, settings.s3_bucket)
    return Media(
        store,
        urls,
        settings.s3_bucket,
        events=_events(settings),
        engine=settings.media_engine,
        siblings=settings.media_siblings,
    )


def _events(settings: MediaWorkSettings) -> EventQueue | None:
    if settings.media_queue_url is None:
        return None
    access = _access(settings, "sqs", settings.sqs_endpoint_url)
    patient = replace(access, read_timeout_s=QUICK_READ_TIMEOUT_S + WAIT_S)
    return EventQueue(str(settings.media_queue_url), ClientMaker(patient))


def _access(settings: StoreSettings, service: str, endpoint: AnyHttpUrl | None) -> Access:
    return Access(
        service=service,
        region=settings.s3_region,
        endpoint=None if endpoint is None else str(endpoint).rstrip("/"),
        key_id=settings.s3_access_key_id,
        secret=settings.s3_secret_access_key,
        path_style=settings.s3_path_style,
    )
