"""What a page holds, read as a browser reads it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from typing_extensions import override

VOID = {"base", "br", "hr", "img", "input", "link", "meta", "source"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    """Tags around it, outermost first."""
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text and that of what it holds, with one space for many; no-break spaces stay."""
        return re.sub(r"[ \n]+", " ", "".join(self.parts)).strip(" ")

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]


class Page(HTMLParser):
    """Every element, in order; unbalanced tags are an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, [one.tag for one in self._open]

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        inside = tuple(one.tag for one in self._open)
        element = Element(tag, {name: value or "" for name, value in attrs}, inside)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    @override
    def handle_data(self, data: str) -> None:
        for one in self._open:
            one.parts.append(data)

    def all(self, tag: str, **attributes: Any) -> Iterator[Element]:
        """Elements with a tag and these attributes; ``_`` in a name stands for ``-``."""
        wanted = {name.strip("_").replace("_", "-"): str(it) for name, it in attributes.items()}
        for one in self.elements:
            if one.tag == tag and wanted.items() <= one.attributes.items():
                yield one

    def one(self, tag: str, **attributes: Any) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        return self.one("body").text
