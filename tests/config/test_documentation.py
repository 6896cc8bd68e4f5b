"""The page for users names every setting."""

from pathlib import Path

import pytest

from config.settings import setting_names

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()


def test_there_are_settings() -> None:
    assert {"BIND", "TOKEN", "TOKEN_FILE", "RISK__MAX_POS_USD", "EXCHANGE__SIM__KIND"} <= set(setting_names())


@pytest.mark.parametrize("name", setting_names())
def test_the_page_names_the_setting(name: str) -> None:
    documented = name.removesuffix("_FILE") if name != "SIM__MARKET_FILE" else name
    for example in ("EXCHANGE__SIM__", "NOTIFY__PHONE__"):
        documented = documented.replace(example, f"{example.partition('__')[0]}__<NAME>__")
    assert f"`{documented}`" in PAGE
