"""The page about the API: every example on it is run, in its order, against one running service."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.fixtures.service import TOKEN

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PRELUDE = (
    'api() { curl -sS -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$@"; echo; }'
)


@pytest.fixture(scope="module")
def service(services, tmp_path_factory):
    [hooks] = [text for kind, text in BLOCKS if kind == "toml"]
    file = tmp_path_factory.mktemp("hooks") / "hooks.toml"
    file.write_text(hooks)
    return services(WEB__HOOKS=str(file))


class Reader:
    """Follows the page as a person would: ids that were answered are put in where the page names them."""

    def __init__(self, service):
        self.address = service.address
        self.folder = service.folder / "data"
        self.ids = {"ORDER_ID": "", "ID": ""}

    def fill_in(self, text):
        text = text.replace("localhost:8085", self.address).replace("127.0.0.1:8085", self.address)
        return re.sub(r"\b(ORDER_ID|ID)\b", lambda found: self.ids[found[1]], text)

    def remember(self, answer):
        """The newest order that is open is the one that the page goes on with."""
        if isinstance(answer, dict):
            if answer.get("status") == "open":
                self.ids["ORDER_ID"] = answer["orderId"]
            for each in answer.values():
                self.remember(each)
        elif isinstance(answer, list):
            for each in answer:
                self.remember(each)

    def shell(self, text):
        environ = {name: found for name, found in os.environ.items() if not name.startswith("TRADEWARDEN_")}
        environ |= {
            "TOKEN": TOKEN,
            "TRADEWARDEN_DATA_DIR": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        for command, expected in steps(text):
            script = f"{PRELUDE}\n{self.fill_in(command)}"
            done = subprocess.run(["bash", "-ec", script], env=environ, capture_output=True, check=False)
            said = done.stdout.decode().strip()
            assert done.returncode == 0, f"{command}\n{done.stderr.decode()}"
            if expected.startswith("{"):
                answer = json.loads(said)
                self.remember(answer)
                assert not differences(template(expected), answer), f"{command}\n{said}"
            elif expected:
                assert re.fullmatch(re.escape(expected).replace("…", ".*"), said), f"{command}\n{said}"
            elif "token list" in command:
                self.ids["ID"] = said.splitlines()[-1].split()[0]

    def socket(self, text):
        path = "/ws/trade" if '"action":"place"' in text else "/ws/orders"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with connect(f"ws://{self.address}{path}", additional_headers=headers) as talk:
            for line in text.splitlines():
                if line.startswith("> "):
                    talk.send(self.fill_in(line[2:]))
                    continue
                said = json.loads(talk.recv(timeout=10))
                self.remember(said)
                assert not differences(template(line[2:]), said), f"{line}\n{said}"

    def python(self, text):
        begun, _, rest = self.fill_in(text).partition("\n\n")
        program = "\n".join(
            [
                "import anyio, sys",
                begun,
                "async def main(token):",
                textwrap.indent(rest, "    "),
                "anyio.run(main, sys.argv[1], backend=sys.argv[2])",
            ]
        )
        for backend in ("asyncio", "trio"):
            command = [sys.executable, "-c", program, TOKEN, backend]
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr.decode()
            assert b"filled" in done.stdout


def steps(text):
    """The commands of a block, each with what it is said to print."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif found[-1][1] or line.startswith("{") or not line.startswith(" "):
            found[-1][1] += line
        else:
            found[-1][0] += "\n" + line
    return found


def template(text):
    """An example as JSON; an ellipsis stands for whatever else there is."""
    return json.loads(text.replace(",…", "").replace("{…}", "{}"))


def differences(wanted, found, where="$"):
    """Where an answer is not what the page says."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{where}.{name}" for name in wanted.keys() - found.keys()]
        inner = [
            differences(wanted[name], found[name], f"{where}.{name}") for name in wanted if name in found
        ]
        return missing + [each for several in inner for each in several]
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return [f"{where} has {len(found)}, not {len(wanted)}"]
        pairs = enumerate(zip(wanted, found, strict=True))
        return [each for index, pair in pairs for each in differences(*pair, f"{where}[{index}]")]
    anything = wanted == "…" or where.endswith(".seq")
    return [] if anything or wanted == found else [f"{where}: {found!r}, not {wanted!r}"]


def test_every_example_on_the_page_does_what_the_page_says(service):
    reader = Reader(service)
    ran = 0
    for kind, text in BLOCKS:
        if kind == "console" and text.startswith("> "):
            reader.socket(text)
        elif kind == "console":
            reader.shell(text)
        elif kind == "python":
            reader.python(text)
        else:
            continue
        ran += 1
    assert ran >= 12
