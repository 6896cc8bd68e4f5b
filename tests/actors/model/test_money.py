"""Decimals from outside are checked once, and arithmetic never loses a digit."""

from decimal import Context, Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.money import (
    EXACT,
    ZERO,
    BadDecimal,
    checked,
    display_ratio,
    is_multiple,
    normal,
    parse_decimal,
    share_of_cost,
    text,
)

admitted = st.decimals(
    min_value=Decimal(-999999999999999999),
    max_value=Decimal(999999999999999999),
    places=12,
    allow_nan=False,
    allow_infinity=False,
)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        " 1",
        "1 ",
        "1_000",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1e400",
        "1e18",
        "1e-13",
        "1e-400",
        "1e-9999999",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        "1" * 19,
        "0." + "1" * 13,
        "0" * 65,
        "١٢٣",
        "\uff11",
        "1,5",
        "0x10",
        "--1",
        "1.2.3",
        "\x001",
        "abc",
    ],
)
def test_what_is_no_plain_decimal_is_refused_with_what_was_found(bad: str) -> None:
    """Every refusal is a BadDecimal: nothing else reaches the caller."""
    with pytest.raises(BadDecimal) as caught:
        parse_decimal(bad)
    assert caught.value.found == bad[:40]
    assert caught.value.why
    assert str(caught.value) == f"{bad[:40]!r} {caught.value.why}"


@pytest.mark.parametrize(
    ("said", "canonical"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("0e50", "0"),
        ("1.10", "1.1"),
        ("100", "100"),
        ("1e2", "100"),
        ("1E-2", "0.01"),
        ("+5", "5"),
        (".5", "0.5"),
        ("000000000000000000000001", "1"),
        ("999999999999999999.999999999999", "999999999999999999.999999999999"),
    ],
)
def test_a_decimal_has_one_canonical_text(said: str, canonical: str) -> None:
    """However it was written, the same value reads and prints the same."""
    value = parse_decimal(said)
    assert text(value) == canonical
    assert str(value) == canonical or "E" in str(value)
    assert not value.is_signed() or value < 0


@pytest.mark.parametrize("bad", ["NaN", "-Infinity", "1E+18", "1E-13", "1.0000000000001"])
def test_a_number_that_can_not_be_used_is_named(bad: str) -> None:
    """Numbers that did not come as a text are refused by the same words."""
    with pytest.raises(BadDecimal) as caught:
        checked(Decimal(bad))
    assert caught.value.found == bad


@pytest.mark.parametrize(
    ("widest", "value"),
    [("0" * 63 + "7", "7"), ("1e-12", "1e-12"), ("1." + "0" * 62, "1"), ("1e17", "100000000000000000")],
)
def test_what_just_fits_is_read(widest: str, value: str) -> None:
    """64 characters, 12 fraction digits, 18 integer digits."""
    assert parse_decimal(widest) == Decimal(value)


def test_a_number_may_have_as_many_digits_as_the_context_holds() -> None:
    """Trailing zeros count as digits until they are taken away."""
    assert checked(Decimal("1." + "0" * 75)) == 1
    with pytest.raises(BadDecimal):
        checked(Decimal("1." + "0" * 76))


@given(st.text(max_size=70))
def test_any_text_is_read_or_refused_and_never_anything_else(said: str) -> None:
    """A parser at the edge has two outcomes."""
    try:
        value = parse_decimal(said)
    except BadDecimal:
        return
    assert parse_decimal(text(value)) == value


@given(st.integers(-(10**20), 10**20), st.integers(-25, 10))
def test_the_text_is_that_of_the_normal_form_however_the_value_is_written(digits: int, exponent: int) -> None:
    """What already reads as its canonical text is not worked out again."""
    value = Decimal(digits).scaleb(exponent)
    assert text(value) == format(normal(value), "f")


@given(st.decimals())
def test_any_decimal_is_checked_or_refused_and_never_anything_else(value: Decimal) -> None:
    """Numbers from JSON come as decimals with wild exponents."""
    try:
        assert checked(value) == value
    except BadDecimal:
        assert not value.is_finite() or abs(value) >= Decimal("1e18") or value != _to_twelve(value)


def _to_twelve(value: Decimal) -> Decimal:
    return value.quantize(Decimal("1e-12"), context=Context(prec=2000))


@given(admitted, admitted)
def test_the_product_of_two_admitted_numbers_is_exact(left: Decimal, right: Decimal) -> None:
    """The context is wide enough for what the edge lets in."""
    assert Fraction(EXACT.multiply(left, right)) == Fraction(left) * Fraction(right)


def test_a_sum_that_would_lose_a_digit_raises() -> None:
    """Silence would be a rounding error in somebody's money."""
    with pytest.raises(Inexact):
        EXACT.add(Decimal("1e60"), Decimal("1e-60"))


@given(
    cost=st.decimals(min_value=Decimal("-1e36"), max_value=Decimal("1e36"), places=24),
    whole=st.decimals(min_value=Decimal("1e-12"), max_value=Decimal(999999999999999999), places=12),
    share=st.integers(0, 1000),
)
def test_a_share_of_a_cost_is_rounded_once_and_half_even(cost: Decimal, whole: Decimal, share: int) -> None:
    """Compared with exact fractions: Python's round of a Fraction is half-even as well."""
    part = whole if share == 1000 else Decimal(int(whole * share // 1000 * 10**6)).scaleb(-6)
    exact = Fraction(cost) * Fraction(part) / Fraction(whole)
    found = share_of_cost(cost, part, whole)
    assert Fraction(found) == (exact if part == whole else Fraction(round(exact * 10**12), 10**12))


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("0.000000000001", "0"),
        ("0.000000000003", "2e-12"),
        ("-0.000000000003", "-2e-12"),
        ("0.000000000005", "2e-12"),
        ("0.000000000007", "4e-12"),
    ],
)
def test_a_half_goes_to_the_even_neighbour(cost: str, expected: str) -> None:
    """Half of an odd last place."""
    assert share_of_cost(Decimal(cost), Decimal(1), Decimal(2)) == Decimal(expected)


def test_less_than_the_last_place_is_rounded_away_from_zero_when_it_is_more_than_half() -> None:
    """However small what is shared and what it is shared among."""
    assert share_of_cost(Decimal("0.9e-12"), Decimal("0.5"), Decimal("0.6")) == Decimal("1e-12")
    assert share_of_cost(Decimal("-0.9e-12"), Decimal("0.5"), Decimal("0.6")) == Decimal("-1e-12")


def test_a_ratio_for_people_has_eight_places_at_most() -> None:
    """It is never an input to accounting."""
    assert text(display_ratio(Decimal("1e25"), Decimal(3))) == "3" * 25 + "." + "3" * 8
    assert display_ratio(Decimal(2), Decimal(3)) == Decimal("0.66666667")
    assert text(display_ratio(Decimal(100), Decimal(4))) == "25"


def test_multiples_are_decided_exactly() -> None:
    """Also where floats would fail."""
    assert is_multiple(Decimal("0.3"), Decimal("0.1"))
    assert not is_multiple(Decimal("0.35"), Decimal("0.1"))
    assert is_multiple(ZERO, Decimal("0.01"))


@pytest.mark.parametrize(
    ("value", "canonical"),
    [("1e1", "10"), ("120", "120"), ("1e40", "1" + "0" * 40), ("1e-7", "0.0000001"), ("5.00", "5")],
)
def test_the_canonical_text_never_has_an_exponent(value: str, canonical: str) -> None:
    """Neither of a large number nor of a small one."""
    assert text(Decimal(value)) == canonical
    assert normal(Decimal(value)).as_tuple().exponent <= 0


@given(admitted)
def test_the_normal_form_keeps_the_value_and_is_stable(value: Decimal) -> None:
    """Normalising twice changes nothing."""
    assert normal(value) == value
    assert str(normal(normal(value))) == str(normal(value))
