"""Which web pages a bucket answers: its CORS rules (S3 User Guide, "Using CORS")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from stack.fakes.s3.words import Refused, bad_request

_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


@dataclass(frozen=True, slots=True)
class Rule:
    """One CORS rule; origins and headers may hold one ``*``."""

    origins: Sequence[str]
    methods: Sequence[str]
    headers: Sequence[str] = ()
    exposed: Sequence[str] = ()
    max_age_s: int | None = None

    def allows(self, origin: str, method: str, headers: Sequence[str] = ()) -> bool:
        """Whether a page of that origin may make such a call."""
        return (
            method in self.methods
            and any(_matches(origin, allowed) for allowed in self.origins)
            and all(
                any(_matches(name.lower(), allowed.lower()) for allowed in self.headers)
                for name in headers
            )
        )

    def told(self, origin: str) -> dict[str, str]:
        """The headers of an answer to such a page."""
        is_for_all = "*" in self.origins
        told = {
            "access-control-allow-origin": "*" if is_for_all else origin,
            "access-control-allow-methods": ", ".join(self.methods),
            "vary": _VARY,
        }
        if not is_for_all:
            told["access-control-allow-credentials"] = "true"
        if self.exposed:
            told["access-control-expose-headers"] = ", ".join(self.exposed)
        if self.max_age_s is not None:
            told["access-control-max-age"] = str(self.max_age_s)
        return told


def shared_headers(
    rules: Sequence[Rule], headers: Mapping[str, str], method: str
) -> dict[str, str]:
    """What an answer tells a browser, whether or not the call was well; nothing to other pages."""
    origin = headers.get("origin")
    if origin is None:
        return {}
    rule = next((rule for rule in rules if rule.allows(origin, method)), None)
    return {} if rule is None else rule.told(origin)


def preflight(rules: Sequence[Rule], headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that answer an OPTIONS call.

    Raises:
        Refused: 403: no rule allows what the browser asks for; 400: it asks for nothing.
    """
    origin = headers.get("origin")
    method = headers.get("access-control-request-method")
    if origin is None or method is None:
        raise bad_request("Insufficient information. Origin request header needed.", "BadRequest")
    text = headers.get("access-control-request-headers", "")
    asked = [name.strip() for name in text.split(",") if name.strip()]
    rule = next((rule for rule in rules if rule.allows(origin, method, asked)), None)
    if rule is None:
        raise Refused(
            403,
            "AccessForbidden",
            "CORSResponse: This CORS request is not allowed. This is usually because the "
            "evalution of Origin, request method / Access-Control-Request-Method or "
            "Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
            Method=method,
            ResourceType="OBJECT",
        )
    allowed = {"access-control-allow-headers": ", ".join(asked).lower()} if asked else {}
    return rule.told(origin) | allowed


def _matches(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))
