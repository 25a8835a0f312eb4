"""CPF and CNPJ, the tax numbers of people and companies in Brazil.

A CNPJ may hold letters in all but its two check digits (Receita Federal, Instrução Normativa
2.229/2024). The arithmetic is validate-docbr's; it pads short numbers and drops strange signs, so
the form is held to here first.
"""

import re

from validate_docbr import CNPJ, CPF

_CPF = re.compile(r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}")
_CNPJ = re.compile(r"[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}-?[0-9]{2}")
_CPF_IN_TEXT = re.compile(rf"(?<![0-9A-Za-z]){_CPF.pattern}(?![0-9A-Za-z])")
_PUNCTUATION = str.maketrans("", "", "./-")


def read_document(text: str) -> str:
    """Read a CPF or CNPJ, with or without its punctuation, as bare digits and capitals.

    Raises:
        ValueError: It is neither, or its check digits are wrong.
    """
    given = text.strip().upper() if text.isascii() else ""
    bare = given.translate(_PUNCTUATION)
    is_cpf = _CPF.fullmatch(given) is not None and CPF().validate(bare)
    is_cnpj = _CNPJ.fullmatch(given) is not None and CNPJ().validate(bare)
    if not is_cpf and not is_cnpj:
        raise ValueError("must be a CPF or a CNPJ with valid check digits")
    return bare


def holds_cpf(text: str) -> bool:
    """Whether a text holds a valid CPF, anywhere in it."""
    found = (match.group().translate(_PUNCTUATION) for match in _CPF_IN_TEXT.finditer(text))
    return any(CPF().validate(digits) for digits in found)
