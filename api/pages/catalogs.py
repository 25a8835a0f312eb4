r"""The texts of the pages by language, read from their ``.po`` files when a process starts.

Message ids are the English texts. After changing one, in the project's root::

    pybabel extract -F api/pages/locale/babel.cfg --add-location=file --omit-header --width=100 \
        -o api/pages/locale/messages.pot .
    pybabel update -i api/pages/locale/messages.pot -d api/pages/locale --width=100 \
        --no-fuzzy-matching

and then translate what is empty in both catalogs, as a test asks.
"""

from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from api.pages.negotiation import Language

LOCALES = Path(__file__).parent / "locale"


def catalog_path(language: Language) -> Path:
    """Where a language's texts are."""
    return LOCALES / language.locale / "LC_MESSAGES" / "messages.po"


def load_translations(language: Language) -> Translations:
    """Read a language's texts."""
    with catalog_path(language).open("rb") as source:
        catalog = read_po(source, locale=language.locale)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)
