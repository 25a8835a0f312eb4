"""Stripe's form encoding: nested keys (``a[b]``, ``a[0]``, ``a[]``), read by type."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from stack.fakes.stripe.words import Json, invalid, missing_param

METADATA_KEYS_MAX = 50
METADATA_KEY_MAX = 40
METADATA_VALUE_MAX = 500
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")


def nested(pairs: Iterable[tuple[str, str]]) -> Json:
    """Nest flat form fields.

    Raises:
        Refused: A key's brackets do not match.
    """
    root: Json = {}
    for key, value in pairs:
        matched = _KEY.fullmatch(key)
        if matched is None:
            raise invalid(f"Invalid request: {key!r} is not a parameter name", param=key)
        node = root
        path = [matched[1], *_PART.findall(matched[2])]
        for name in path[:-1]:
            child = node.setdefault(name or str(len(node)), {})
            if not isinstance(child, dict):
                raise invalid(f"Invalid object: {key}", param=key)
            node = child
        node[path[-1] or str(len(node))] = value
    return {name: _with_arrays(value) for name, value in root.items()}


def _with_arrays(value: Any) -> Any:  # noqa: ANN401 - any form value
    """Objects with numbers for names are arrays."""
    if not isinstance(value, dict):
        return value
    children = {name: _with_arrays(child) for name, child in value.items()}
    if children and all(name.isdigit() for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children


class Fields:
    """The parameters of one call; whatever is wrong with one is refused under its name."""

    def __init__(self, values: Mapping[str, Any], prefix: str = "") -> None:
        self.values = values
        self._prefix = prefix

    def _named(self, name: str) -> str:
        return f"{self._prefix}[{name}]" if self._prefix else name

    def allow(self, *names: str) -> None:
        """Refuse every parameter that is not one of these; ``expand`` goes everywhere."""
        for name in self.values:
            if name not in names and name != "expand":
                param = self._named(name)
                message = f"Received unknown parameter: {param}"
                raise invalid(message, param=param, code="parameter_unknown")

    def text(self, name: str) -> str | None:
        """A text; None when absent or empty."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid string: {self._named(name)}", param=self._named(name))
        return value or None

    def required(self, name: str) -> str:
        """A text that must be there."""
        value = self.text(name)
        if value is None:
            raise missing_param(self._named(name))
        return value

    def one_of(self, name: str, allowed: Iterable[str]) -> str | None:
        """One of these words; None when absent."""
        value = self.text(name)
        if value is not None and value not in allowed:
            listed = ", ".join(sorted(allowed))
            raise invalid(f"Invalid {name}: must be one of {listed}", param=self._named(name))
        return value

    def integer(self, name: str) -> int | None:
        """An integer; None when absent."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            param = self._named(name)
            raise invalid(
                f"Invalid integer: {value}", param=param, code="parameter_invalid_integer"
            )
        return int(value)

    def flag(self, name: str) -> bool | None:
        """A boolean; None when absent."""
        value = self.one_of(name, ("true", "false"))
        return None if value is None else value == "true"

    def texts(self, name: str) -> list[str]:
        """An array of texts, empty when absent."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid(f"Invalid array: {self._named(name)}", param=self._named(name))
        return value

    def child(self, name: str) -> "Fields | None":
        """A nested object; None when absent."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise invalid(f"Invalid object: {self._named(name)}", param=self._named(name))
        return Fields(value, self._named(name))

    def metadata(self) -> dict[str, str]:
        """The metadata, within its limits."""
        given = self.child("metadata")
        if given is None:
            return {}
        for key in given.values:
            value = given.text(key) or ""
            if len(key) > METADATA_KEY_MAX or len(value) > METADATA_VALUE_MAX:
                raise invalid("Metadata keys have 40 characters at most and values 500.", param=key)
        if len(given.values) > METADATA_KEYS_MAX:
            raise invalid("Metadata has 50 keys at most.", param="metadata")
        return {key: value for key, value in given.values.items() if value}
