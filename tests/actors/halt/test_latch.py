"""The content of the latch file fits whatever is asked of it, and what can't be read is a kill."""

from hypothesis import given
from hypothesis import strategies as st

from actors.halt.latch import MERGED_ID, UNREADABLE_ID, decode, encode
from actors.model.book import Kill

texts = st.text(max_size=400)
kills = st.builds(
    Kill,
    kill_id=st.uuids().map(str),
    level=st.sampled_from(["halt", "cancel", "flatten"]),
    exchange=st.none() | st.sampled_from(["sim", "binance"]),
    symbol=st.none() | st.just("BTC/USDT"),
    reason=texts,
    by=texts,
    at_us=st.integers(0, 2**53),
    automatic=st.booleans(),
)


@given(st.lists(kills, min_size=1, max_size=40))
def test_any_list_of_kills_fits_and_halts_at_least_as_much(wanted):
    content = encode(wanted, 2048)
    assert len(content) <= 2048
    found = decode(content)
    if found[0].kill_id == MERGED_ID:
        assert (found[0].exchange, found[0].symbol) == (None, None)
        assert not found[0].automatic or all(kill.automatic for kill in wanted)
    else:
        assert [(k.kill_id, k.level, k.exchange, k.symbol, k.automatic) for k in found] == [
            (k.kill_id, k.level, k.exchange, k.symbol, k.automatic) for k in wanted
        ]


@given(kills)
def test_a_kill_with_a_short_reason_comes_back_whole(kill):
    (found,) = decode(encode([kill], 4096))
    assert found.reason == kill.reason[:200] or found.reason == ""


@given(st.binary(min_size=1, max_size=100))
def test_bytes_that_are_no_kills_are_a_kill(content):
    found = decode(content)
    if content.strip() != b"[]":
        assert [kill.kill_id for kill in found] == [UNREADABLE_ID]
        assert not found[0].automatic


def test_no_content_is_no_kill():
    assert decode(None) == ()
