import copy
import pickle

import pytest

from config import Secret


def test_a_secret_shows_nowhere_by_itself() -> None:
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {[secret]} " + str(secret)
    assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"


def test_a_secret_is_not_written_away() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert copy.deepcopy([Secret("a")]) == [Secret("a")]
