"""Texts from outside."""

from hypothesis import given
from hypothesis import strategies as st

from actors.model.readable import readable


def test_what_no_database_takes_becomes_a_sign_and_the_rest_stays() -> None:
    """Also where it stands beside what looks like it."""
    assert readable("a\0b\ud800c\\u0000 ünï😀\n") == "a\ufffdb\ufffdc\\u0000 ünï😀\n"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_other_text_stays_as_it_is(text: str) -> None:
    """Nothing else is touched."""
    assert readable(text) == text
