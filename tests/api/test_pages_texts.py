"""Every text of the pages is there in every language, and every reason has one."""

import re
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from api.pages.catalogs import LOCALES, catalog_path, load_translations
from api.pages.negotiation import ENGLISH, LANGUAGES, PORTUGUESE, Language
from api.pages.site import TEMPLATES
from api.pages.uploading import problem_texts, reason_texts, script_texts
from offchain.media import deciding, verdicts
from offchain.media.imaging.outcomes import FailureCode

PAGES = TEMPLATES.parent
METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"**/templates/**.html": {"trimmed": "true"}}
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")

Id = str | tuple[str, ...]


def identity(message: Message | str | tuple[str, ...] | list[str]) -> Id:
    raw = message.id if isinstance(message, Message) else message
    return raw if isinstance(raw, str) else tuple(raw)


def forms_of(message: Message) -> list[str]:
    """A translation, or one for each number that its language tells apart."""
    if isinstance(message.string, str):
        return [message.string]
    return list(message.string or ())


def used() -> set[Id]:
    """Texts that templates and code ask for."""
    found = extract_from_dir(str(PAGES), METHODS, OPTIONS)
    return {identity(message) for _file, _line, message, _comments, _context in found}


def catalog(path: Path) -> Catalog:
    with path.open("rb") as source:
        return read_po(source)


def messages(read: Catalog) -> dict[Id, Message]:
    return {identity(message): message for message in read if message.id}


def test_template_catalog_holds_exactly_what_is_used() -> None:
    assert set(messages(catalog(LOCALES / "messages.pot"))) == used()


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
def test_every_text_is_translated(language: Language) -> None:
    read = catalog(catalog_path(language))
    known = messages(read)
    assert set(known) == used()
    assert not read.obsolete
    for message in known.values():
        assert not message.fuzzy, message.id
        forms = forms_of(message)
        assert forms, message.id
        assert all(forms), message.id
        assert len(forms) == (1 if isinstance(message.id, str) else read.num_plurals), message.id


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
def test_translations_keep_placeholders_and_hold_no_markup(language: Language) -> None:
    for identity_, message in messages(catalog(catalog_path(language))).items():
        first = identity_ if isinstance(identity_, str) else identity_[0]
        wanted = sorted(PLACEHOLDER.findall(first))
        for form in forms_of(message):
            assert sorted(PLACEHOLDER.findall(form)) == wanted, first
            assert not set('<>&"') & set(form), first
            assert form == form.strip(), first


def test_portuguese_differs_from_english_and_counts_as_its_speakers_do() -> None:
    portuguese, english = load_translations(PORTUGUESE), load_translations(ENGLISH)
    texts = [text for text in used() if isinstance(text, str)]
    assert all(portuguese.ugettext(text) != text for text in texts)
    assert all(english.ugettext(text) == text for text in texts)
    counted = [
        portuguese.ungettext("contribution", "contributions", count)
        for count in (0, 1, 2, 1_000_000)
    ]
    assert counted == ["contribuição", "contribuição", "contribuições", "contribuições"]


def test_every_reason_a_file_ends_for_has_a_text() -> None:
    sources = "".join(Path(str(module.__file__)).read_text() for module in (deciding, verdicts))
    written = set(re.findall(r'(?:refused|failed)\("(\w+)"', sources))
    written |= set(re.findall(r'return "(\w+)"', Path(str(verdicts.__file__)).read_text()))
    assert {"size_differs", "type_differs", "not_the_declared_type"} <= written
    texts = reason_texts(str)
    assert written | set(get_args(FailureCode)) | {verdicts.NEVER_CAME} | {"other"} <= set(texts)


def test_script_asks_for_no_text_that_it_is_not_given() -> None:
    script = (PAGES / "static" / "page.js").read_text()
    asked = set(re.findall(r"\btexts\.(\w+)", script))
    assert asked == set(script_texts(str))
    assert "this.problems[" in script
    assert all(problem_texts(str).values())
