"""The compose files keep what the pages promise, and the one for the NAS doesn't drift from the other."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "ops" / "deploy"
FILES = ("compose.yaml", "compose.all-in-one.yaml", "nas/compose.yaml")


def services(file: str) -> dict[str, dict]:
    return yaml.safe_load((DEPLOY / file).read_text())["services"]


@pytest.mark.parametrize("file", FILES)
def test_the_service_has_no_rights_that_it_does_not_need(file):
    api = services(file)["api"]
    assert api["read_only"] is True
    assert api["user"] == "10001:10001"
    assert api["cap_drop"] == ["ALL"]
    assert "cap_add" not in api
    assert api["security_opt"] == ["no-new-privileges:true"]
    assert api["restart"] == "unless-stopped"
    assert api["stop_grace_period"] == "45s"


@pytest.mark.parametrize("file", FILES)
def test_every_container_is_bounded_and_no_secret_stands_in_a_file_of_the_repository(file):
    text = (DEPLOY / file).read_text()
    assert not re.search(r"(PASSWORD|SECRET|TOKEN|API_KEY): *[^\s/$]", text)
    for name, service in services(file).items():
        assert service["cap_drop"] == ["ALL"], name
        assert {"mem_limit", "pids_limit", "logging"} <= service.keys(), name
        assert not service["image"].endswith(":latest") or name == "api"


def test_the_nas_has_the_promised_layout():
    nas = services("nas/compose.yaml")
    home = "/volume1/docker/trading-service"
    assert nas["api"]["ports"] == ["8085:8080"]
    assert f"{home}/backups:/backups" in nas["api"]["volumes"]
    assert nas["postgres"]["volumes"] == [f"{home}/postgres_data:/var/lib/postgresql/data"]
    assert nas["redis"]["volumes"] == [f"{home}/redis_data:/data"]
    networks = yaml.safe_load((DEPLOY / "nas/compose.yaml").read_text())["networks"]
    assert networks == {"trading-net": {"name": "trading-net", "driver": "bridge"}}


def test_the_nas_differs_from_the_other_in_its_places_alone():
    places = {"volumes", "ports", "build", "container_name"}
    plain, nas = services("compose.yaml"), services("nas/compose.yaml")
    assert plain.keys() == nas.keys()
    for name in plain:
        assert {k: v for k, v in plain[name].items() if k not in places} == {
            k: v for k, v in nas[name].items() if k not in places
        }


def test_folders_and_secrets_are_made_once_and_for_their_owners_alone(tmp_path, monkeypatch):
    """Run twice: the second run changes nothing. Handing files to another user needs root and is left out."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chown").symlink_to("/bin/true")
    home = tmp_path / "trading-service"
    for _ in range(2):
        subprocess.run(["sh", DEPLOY / "nas" / "prepare", home], check=True, capture_output=True)
        password = (home / "secrets" / "postgres_password").read_text()
    assert len(password) == 64
    assert password in (home / "secrets" / "database_url").read_text()
    assert (home / "secrets" / "postgres_password").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.iterdir())


def test_the_proxy_takes_tls_1_3_alone_and_never_sends_an_order_twice():
    assert re.findall(r"ssl_protocols (.*);", (DEPLOY / "proxy" / "nginx.conf").read_text()) == ["TLSv1.3"]
    assert "proxy_next_upstream off;" in (DEPLOY / "proxy" / "tradewarden-proxy.conf").read_text()
