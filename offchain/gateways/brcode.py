"""BR Code, the text behind a PIX QR code ("copia e cola"): its shape and checksum.

Source: Banco Central do Brasil, "Manual de Padrões para Iniciação do Pix" and EMV QRCPS-MPM:
two-digit ids, two-digit lengths, values; field 63 is a CRC-16/CCITT-FALSE over all before it.
"""

BR_CODE_LENGTH_MAX = 512
_CRC_FIELD = "6304"
_CRC_DIGITS = 4
_HEADER = 4


def crc16(text: str) -> str:
    """CRC-16/CCITT-FALSE of ASCII text as four upper-case hex digits.

    Raises:
        UnicodeEncodeError: The text is not ASCII.
    """
    crc = 0xFFFF
    for byte in text.encode("ascii"):
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return f"{crc:04X}"


def is_br_code(text: str) -> bool:
    """Whether the text is a whole BR Code with a valid checksum."""
    if not text.isascii() or not text.startswith("000201") or len(text) > BR_CODE_LENGTH_MAX:
        return False
    body = text[:-_CRC_DIGITS]
    return body.endswith(_CRC_FIELD) and text[-_CRC_DIGITS:] == crc16(body) and _is_tlv(text)


def _is_tlv(text: str) -> bool:
    """Whether ids and lengths tile the text exactly."""
    position = 0
    while position < len(text):
        header = text[position : position + _HEADER]
        if len(header) < _HEADER or not header.isdigit():
            return False
        position += _HEADER + int(header[2:])
    return position == len(text)
