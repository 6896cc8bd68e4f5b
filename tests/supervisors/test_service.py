"""What the service tells whoever starts it."""

from supervisors.service import banner

ADDRESSES = ["http://127.0.0.1:8085"]


def test_a_start_names_the_file_of_the_token_only_where_there_is_one(tmp_path):
    """After a restore, or in a new folder with a database that has tokens, no file was written."""
    file = tmp_path / "token"
    without = banner(ADDRESSES, file)
    assert str(file) not in without
    assert "tradewarden token create" in without
    file.write_text("tw_x\n")
    assert f"your token is in {file};" in banner(ADDRESSES, file)


def test_a_start_with_a_token_in_the_settings_says_so():
    assert "TRADEWARDEN_TOKEN" in banner(ADDRESSES, None)
