import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.gateways.brcode import crc16, is_br_code

STATIC = (
    "00020126370014br.gov.bcb.pix0115pix@example.org520400005303986540550.005802BR5913PROJETO TESTE"
    "6009SAO PAULO62100506PL100163047802"
)
OPEN = (
    "00020126370014br.gov.bcb.pix0115pix@example.org5204000053039865802BR5913PROJETO TESTE"
    "6009SAO PAULO62070503***63044315"
)
DYNAMIC = (
    "00020101021226730014br.gov.bcb.pix2551pix.example.org/v2/0b6f4a527c1e4a0b9d532f7c5f1e8a01"
    "5204000053039865802BR5913PROJETO TESTE6009SAO PAULO62070503***63048BFD"
)


def test_crc16_is_the_published_check_value_when_given_the_digits() -> None:
    assert crc16("123456789") == "29B1"


@pytest.mark.parametrize("text", [STATIC, OPEN, DYNAMIC])
def test_is_br_code_accepts_when_the_checksum_is_right(text: str) -> None:
    assert is_br_code(text)


@given(st.sampled_from([STATIC, OPEN, DYNAMIC]), st.data())
def test_is_br_code_refuses_when_any_sign_is_changed(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    sign = data.draw(st.sampled_from("0123456789ABCz").filter(lambda sign: sign != text[place]))
    assert not is_br_code(text[:place] + sign + text[place + 1 :])


@pytest.mark.parametrize("text", ["", "0002016304", STATIC[:-4], "000201é" + STATIC[7:]])
def test_is_br_code_refuses_when_the_text_is_not_whole(text: str) -> None:
    assert not is_br_code(text)
