import pytest

from ops.lint.run_if_there import exists, main


def test_a_module_that_is_not_there_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops.nothing_of_the_kind.deep"]) == 3
    assert capsys.readouterr().err.startswith("ops.nothing_of_the_kind.deep is not there yet")


def test_a_module_that_is_there_is_run_with_its_arguments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [])
    with pytest.raises(SystemExit) as ended:
        main(["json.tool", "--help"])
    assert ended.value.code == 0
    assert "json.tool" in capsys.readouterr().out


def test_a_package_counts_when_it_can_be_run() -> None:
    assert exists("ops.lint.determinism")
    assert not exists("ops.lint")
