"""Texts from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.readable import readable, reason_of


def test_what_no_database_takes_becomes_a_sign_and_the_rest_stays() -> None:
    """Also where it stands beside what looks like it."""
    assert readable("a\0b\ud800c\\u0000 ünï😀\n") == "a\ufffdb\ufffdc\\u0000 ünï😀\n"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_other_text_stays_as_it_is(text: str) -> None:
    """Nothing else is touched."""
    assert readable(text) == text


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("  the cat is on the keyboard\n", "the cat is on the keyboard"),
        ("x" * 501, "x" * 500),
        ("a\0b\udcff", "a\ufffdb\ufffd"),
        (" \n", "no reason was given"),
    ],
)
def test_a_reason_is_made_of_whatever_was_said(said: str, kept: str) -> None:
    """A kill is not refused for its reason."""
    assert reason_of(said) == kept
