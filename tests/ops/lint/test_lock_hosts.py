from pathlib import Path

import pytest

from ops.lint.lock_hosts import foreign_addresses, main

PUBLIC = """
source = { registry = "https://pypi.org/simple" }
    { url = "https://files.pythonhosted.org/packages/a/b/c-1.0-py3-none-any.whl", hash = "sha256:0" },
source = { virtual = "." }
"""


def test_the_public_hosts_pass() -> None:
    assert list(foreign_addresses(PUBLIC)) == []


@pytest.mark.parametrize(
    "line",
    [
        'source = { registry = "https://mirror.example/simple" }',
        'source = { registry = "http://pypi.org/simple" }',
        'source = { registry = "https://pypi.org.evil.example/simple" }',
        'source = { registry = "https://user:secret@mirror.example/simple" }',
        'source = { registry = "file:///opt/packages" }',
        'source = { path = "../somewhere" }',
        'source = { git = "https://pypi.org/x" }',
    ],
)
def test_any_other_source_is_named_with_its_line(line: str) -> None:
    findings = list(foreign_addresses(PUBLIC + line))
    assert findings
    assert {number for number, _ in findings} == {5}


def test_a_foreign_host_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "uv.lock"
    lock.write_text(PUBLIC)
    assert main(lock) == 0
    lock.write_text(PUBLIC + 'registry = "https://mirror.example/simple"')
    assert main(lock) == 1
    assert "mirror.example" in capsys.readouterr().err


def test_our_own_lock_names_the_public_hosts_alone() -> None:
    assert main(Path(__file__).parents[3] / "uv.lock") == 0
