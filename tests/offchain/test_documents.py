import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.documents import holds_cpf, read_document
from offchain.gateways.types import NewAccount


def cpf(nine: list[int]) -> str:
    """A CPF by its definition: two digits modulo 11, each over all before it."""
    digits = list(nine)
    for first in (10, 11):
        total = sum(
            digit * weight for digit, weight in zip(digits, range(first, 1, -1), strict=True)
        )
        digits.append(total * 10 % 11 % 10)
    return "".join(map(str, digits))


@given(st.lists(st.integers(0, 9), min_size=9, max_size=9).filter(lambda d: len(set(d)) > 1))
def test_read_document_takes_every_cpf_and_none_with_a_wrong_digit(nine: list[int]) -> None:
    number = cpf(nine)
    assert read_document(number) == number
    dotted = f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"
    assert read_document(f" {dotted} ") == number
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    with pytest.raises(ValueError, match="valid check digits"):
        read_document(wrong)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("00.000.000/0001-91", "00000000000191"),
        ("00000000000191", "00000000000191"),
        ("12ABC34501DE35", "12ABC34501DE35"),
        ("12.abc.345/01de-35", "12ABC34501DE35"),
    ],
)
def test_read_document_takes_a_cnpj_with_and_without_letters(text: str, bare: str) -> None:
    assert read_document(text) == bare


@pytest.mark.parametrize(
    "text",
    [
        "",
        "11111111111",
        "00000000000000",
        "5299822472",  # a digit short: never padded
        "052998224725",
        "529-982-247.25",
        "12ABC34501DE36",
        "12ABC34501DEA5",
        "É2ABC34501DE35",
        "12ABC34501DEß5",
        "١٢٣٤٥٦٧٨٩٠١",
        "529.982.247-25; DROP",
    ],
)
def test_read_document_refuses_what_is_neither(text: str) -> None:
    with pytest.raises(ValueError, match="must be a CPF or a CNPJ"):
        read_document(text)


def test_holds_cpf_finds_one_inside_a_text_and_no_other_number() -> None:
    assert holds_cpf("pago por 529.982.247-25, obrigado")
    assert holds_cpf("52998224725")
    assert not holds_cpf("529.982.247-26")
    assert not holds_cpf("pedido 1529982247251")
    assert not holds_cpf("a52998224725")


@pytest.mark.parametrize(
    ("country", "document", "is_taken"),
    [
        ("BR", "52998224725", True),
        ("BR", "12ABC34501DE35", True),
        ("BR", "529.982.247-25", False),
        ("BR", "52998224726", False),
        ("NG", "12345678901", True),
    ],
)
def test_receiver_in_brazil_needs_a_valid_document_without_punctuation(
    country: str, document: str, *, is_taken: bool
) -> None:
    def receiver() -> NewAccount:
        return NewAccount(uuid.uuid4(), "Ana", "ana@example.org", document, country)

    if is_taken:
        assert receiver().document == document
    else:
        with pytest.raises(ValueError, match="must be"):
            receiver()
