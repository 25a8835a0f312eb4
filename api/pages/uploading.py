"""What the page's script is told of uploads: where to, what is taken, and its every text."""

import json
from collections.abc import Callable
from typing import Final

from api.pages.media import KIND_NAMES
from offchain.media.kinds import ACCEPTED, BYTES_MAX

_OTHER_EXTENSIONS: Final = {"image/jpeg": ("jpeg",)}

Translate = Callable[[str], str]


def extensions() -> dict[str, list[str]]:
    """Accepted types, and how their files end, for systems that tell browsers no type."""
    return {
        media_type: [kind.extension, *_OTHER_EXTENSIONS.get(media_type, ())]
        for media_type, kind in ACCEPTED.items()
    }


def accepted() -> str:
    """The ``accept`` of the file input: types, and endings where a system knows no types."""
    endings = [f".{ending}" for endings in extensions().values() for ending in endings]
    return ",".join([*ACCEPTED, *endings])


def accepted_names() -> str:
    """The accepted types, as people call them."""
    return ", ".join(dict.fromkeys(KIND_NAMES[media_type] for media_type in ACCEPTED))


def upload_configuration(gettext: Translate, *, write_api: str, campaign: str) -> str:
    """Everything the script needs, as JSON.

    Args:
        gettext: Finds a text in the page's language.
        write_api: Base URL of the write API; empty for the page's own origin.
        campaign: Slug.
    """
    return json.dumps(
        {
            "api": write_api,
            "campaign": campaign,
            "bytesMax": BYTES_MAX,
            "types": extensions(),
            "texts": script_texts(gettext),
            "problems": problem_texts(gettext),
            "reasons": reason_texts(gettext),
        },
        separators=(",", ":"),
        sort_keys=True,
    )


def script_texts(gettext: Translate) -> dict[str, str]:
    """Texts of the stages of an upload, by the names the script has for them."""
    return {
        "waiting": gettext("Waiting its turn"),
        "preparing": gettext("Preparing"),
        "sending": gettext("Sending: {percent}"),
        "sent": gettext("Sent: checking the file"),
        "processing": gettext("Processing"),
        "ready": gettext("Ready: it is on the page now"),
        "readyLater": gettext("Ready: load the page again to see it"),
        "replaced": gettext("Ready, but another cover took its place"),
        "removed": gettext("The file was removed: it is not on the page any more"),
        "slow": gettext("Still processing: it will be on the page when it is ready"),
        "retrying": gettext("The connection failed. Trying again"),
        "offline": gettext("The connection failed. Check it and try again"),
        "refusedLink": gettext(
            "Your upload link does not work for this campaign any more: ask for a new one"
        ),
        "newLink": gettext("You have a new upload link: try again with it"),
        "notTaken": gettext("The file was not taken. Try again later"),
        "empty": gettext("The file is empty"),
        "tooLarge": gettext("The file has {size}: at most {limit} are taken"),
        "wrongType": gettext("This type of file is not taken. Taken are: {types}").replace(
            "{types}", accepted_names()
        ),
        "coverIsPicture": gettext("The cover must be a picture"),
        "unreadable": gettext("The file cannot be read on this device any more: choose it again"),
    }


def problem_texts(gettext: Translate) -> dict[str, str]:
    """Why the write API takes no upload now, by the last part of its problem's type."""
    return {
        "media-disabled": gettext("No files are taken here at the moment"),
        "store-unavailable": gettext("The file store is away: try again in a moment"),
        "too-many-an-hour": gettext("Too many files in an hour: try again later"),
        "too-many-files": gettext("This campaign has as many files as it may have"),
    }


def reason_texts(gettext: Translate) -> dict[str, str]:
    """Why a file was refused or could not be processed, by reason code; ``other`` for the rest."""
    damaged = gettext("The file is damaged: save it again and send the new one")
    other_type = gettext("What came is not the type of file that its name says")
    changed = gettext("The file changed while it was sent: send it again")
    heavy = gettext("The picture is too heavy to process: send a smaller one")
    return {
        "never_came": gettext("The file never came: send it again"),
        "too_large": gettext("The file is too large: at most 20 MB are taken"),
        "size_differs": changed,
        "sha256_differs": changed,
        "type_differs": other_type,
        "not_the_declared_type": other_type,
        "too_many_pixels": gettext("The picture has too many pixels: at most 50 million are taken"),
        "too_many_frames": gettext("The animation is too long: shorten it, or make it smaller"),
        "truncated": gettext("The file ends too early: send it again whole"),
        "corrupt": damaged,
        "out_of_memory": heavy,
        "timed_out": heavy,
        "unsupported": gettext("This kind of picture cannot be processed: save it as JPEG or PNG"),
        "other": gettext("The file could not be taken: try another one"),
    }
