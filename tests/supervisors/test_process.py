"""What a process takes from its data folder."""

from pathlib import Path

from supervisors.process import INSTANCE_LENGTH, instance_name


def test_the_name_of_an_installation_is_drawn_once(tmp_path: Path) -> None:
    name = instance_name(tmp_path)
    assert len(name) == INSTANCE_LENGTH
    assert instance_name(tmp_path) == name
    assert (tmp_path / "instance").stat().st_mode & 0o777 == 0o600


def test_a_name_that_never_came_to_the_disk_is_drawn_again(tmp_path: Path) -> None:
    """A crash or a full disk left the file without it; no installation goes by an empty name."""
    (tmp_path / "instance").write_text("")
    name = instance_name(tmp_path)
    assert len(name) == INSTANCE_LENGTH
    assert instance_name(tmp_path) == name
