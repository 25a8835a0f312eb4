"""RFC 6962, with the roots that Certificate Transparency's own tests have for these leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.audit.merkle import merkle_path, merkle_root, root_of_path

LEAVES = [
    bytes.fromhex(digits)
    for digits in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

some_leaves = st.lists(st.binary(max_size=4), min_size=1, max_size=40)


@pytest.mark.parametrize("leaves", range(1, 9))
def test_merkle_root_is_the_known_one(leaves: int) -> None:
    assert merkle_root(LEAVES[:leaves]).hex() == ROOTS[leaves - 1]


@given(some_leaves, st.data())
def test_path_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle_path(leaves, index)
    assert len(path) <= (len(leaves) - 1).bit_length()
    root = root_of_path(leaves[index], path, index=index, leaves=len(leaves))
    assert root == merkle_root(leaves)


@given(some_leaves, st.data())
def test_path_of_one_leaf_proves_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle_path(leaves, index)
    other = leaves[index] + b"!"
    assert root_of_path(other, path, index=index, leaves=len(leaves)) != merkle_root(leaves)


@pytest.mark.parametrize("path", [(), (b"a",), (b"a",) * 3])
def test_path_of_another_length_is_refused(path: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="length"):
        root_of_path(b"leaf", path, index=2, leaves=4)
