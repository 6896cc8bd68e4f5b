"""The command line: what there is, how it fails, and tokens that work whether or not the service runs."""

import argparse
import importlib
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from argparse import Namespace

import pytest
import trio

from ops.cli import main as cli
from ops.cli import watch, webhook
from ops.cli.absent import PROGRAMS
from ops.cli.command import Command, Failed, nothing
from ops.cli.service import url_of
from ops.cli.token import duration
from ops.cli.tree import lines as tree_lines
from web.client.feed import FeedFrame
from web.routes.operator import KillBody, NodeBody

CAPABILITIES = "watchdog simulate venue verify backup restore secret doctor webhook replay"
SUBCOMMANDS = sorted(
    f"run migrate token kill resume verdict adjust watch tree audit limits {CAPABILITIES}".split()
)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No setting of the machine, and a home of the test's own."""
    for name in list(os.environ):
        if name.startswith("TRADEWARDEN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRADEWARDEN_DATA_DIR", str(tmp_path / "data"))
    # A program of its own runs as one does that starts anew, whatever other tests have imported.
    monkeypatch.setattr(sys, "argv", sys.argv)
    for program in PROGRAMS.values():
        for module in (program, f"{program}.__main__"):
            if not hasattr(sys.modules.get(module), "__path__"):
                monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.fixture
def with_database(monkeypatch, postgres_dsn):
    monkeypatch.setenv("TRADEWARDEN_DATABASE_URL", postgres_dsn)


def test_every_promised_subcommand_is_listed(capsys):
    assert cli.main([]) == 0
    listed = re.findall(r"^  ([a-z]+) ", capsys.readouterr().out, re.MULTILINE)
    assert sorted(listed) == SUBCOMMANDS


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    assert left.value.code == 0
    assert "example:\n  " in (text := capsys.readouterr().out)
    assert f"tradewarden {name}" in text.split("example:")[1]


def parsers_below(parser):
    """The parser and those of its actions."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from parsers_below(each)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_no_argument_is_taken_for_another(name):
    """The address of a webhook was once taken for that of the service: its receiver was sent the token."""
    command = importlib.import_module(cli.MODULES[name][0]).command(name)
    for parser in parsers_below(cli.parser_of(name, command)):
        by_name = {}
        for action in parser._actions:
            by_name.setdefault(action.dest, []).append(action)
        shared = {dest for dest, actions in by_name.items() if len(actions) > 1}
        assert not shared, f"{parser.prog}: {shared}"


def test_a_webhook_is_made_at_the_service_and_its_address_is_asked_nothing(monkeypatch, capsys):
    def ask_as(kind, asked, work):
        assert asked.service is None
        return [asked.url]

    monkeypatch.setattr(webhook, "ask_as", ask_as)
    assert cli.main(["webhook", "create", "https://hooks.example.com/x", "--event", "order_filled"]) == 0
    assert capsys.readouterr().out == "https://hooks.example.com/x\n"


@pytest.mark.parametrize(("name", "option"), [("venue", "--still"), ("simulate", "--seeds")])
def test_the_help_of_a_program_of_its_own_shows_its_options(name, option, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert option in shown
    assert f"usage: tradewarden {name}" in shown


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_number_of_lines_that_is_none_is_refused(count, capsys):
    """Nothing was ever printed then, and the command did not end."""
    with pytest.raises(SystemExit) as left:
        cli.main(["watch", "--count", count])
    assert left.value.code == 2
    assert "--count" in capsys.readouterr().err


PRINTS_A_TREE = """
import sys, types
from ops.cli import main
from ops.cli.command import Command, nothing
tree = types.ModuleType("tree")
tree.command = lambda name: Command("", "", nothing, lambda asked: print("\u251c risk") or 0)
sys.modules["tree"] = tree
main.MODULES["tree"] = ("tree", "")
sys.exit(main.main(["tree"]))
"""


def test_a_terminal_that_has_fewer_signs_is_shown_what_it_can():
    """The tree is drawn with signs that ASCII does not have."""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", PRINTS_A_TREE], env=environ, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"? risk\n"), done.stderr


def test_ctrl_c_while_a_subcommand_is_loaded_ends_it_without_a_traceback(monkeypatch):
    def load(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", load)
    assert cli.main(["watch"]) == 130


def test_an_unknown_subcommand_says_what_there_is(capsys):
    assert cli.main(["dance"]) == 2
    assert "there are: run migrate" in capsys.readouterr().err


def test_a_capability_that_is_not_there_says_so_and_fails(capsys, monkeypatch):
    monkeypatch.setattr("ops.cli.absent.exists", lambda program: False)
    assert cli.main(["simulate"]) == 3
    assert "this version does not have it" in capsys.readouterr().err


def test_a_bad_setting_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv("TRADEWARDEN_BIND", "nowhere")
    assert cli.main(["run"]) == 78
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.usefixtures("with_database")
def test_a_new_token_is_all_that_is_printed_and_is_never_shown_again(capsys):
    assert cli.main(["token", "create", "--user", "ann", "--scope", "trade", "--scope", "read"]) == 0
    token = capsys.readouterr().out
    assert re.fullmatch(r"tw_[A-Za-z0-9_-]{43}\n", token)
    assert cli.main(["token", "list"]) == 0
    listed = capsys.readouterr().out
    assert "ann" in listed
    assert "read,trade" in listed
    assert token.strip() not in listed


@pytest.mark.usefixtures("with_database")
def test_a_token_is_rotated_and_revoked_by_its_id(capsys):
    cli.main(["token", "create", "--user", "ann", "--scope", "cancel"])
    first = capsys.readouterr().out
    cli.main(["token", "list"])
    token_id = capsys.readouterr().out.split()[0]
    assert cli.main(["token", "rotate", token_id, "--overlap", "1h"]) == 0
    assert capsys.readouterr().out != first
    assert cli.main(["token", "revoke", token_id]) == 0
    capsys.readouterr()
    cli.main(["token", "list"])
    listed = capsys.readouterr().out
    assert sorted(line.split()[3] for line in listed.splitlines()) == ["ended", "valid"]
    assert "ended until" not in listed
    assert cli.main(["token", "revoke", "nothing"]) == 1
    assert cli.main(["token", "rotate", "nothing"]) == 1


@pytest.mark.parametrize("arguments", [["--user", "a b"], ["--scope", "everything"], ["--expires", "soon"]])
def test_a_token_for_nobody_or_nothing_is_refused(arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(["token", "create", "--user", "ann", "--scope", "read", *arguments])
    assert left.value.code == 2


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("30d", 2_592_000)])
def test_durations_have_units(text, seconds):
    assert duration(text) == seconds


@pytest.mark.usefixtures("with_database")
def test_an_empty_journal_is_unbroken(capsys):
    assert cli.main(["verify"]) == 0
    assert capsys.readouterr().out == f"0 records, unbroken\n{'0' * 64}\n"


@pytest.mark.usefixtures("with_database")
def test_migrating_twice_does_nothing_the_second_time(capsys):
    assert cli.main(["migrate"]) == 0
    assert capsys.readouterr().out.startswith("nothing to do")


def test_a_database_that_is_not_there_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv("TRADEWARDEN_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert cli.main(["migrate"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["tree"], ["limits"], ["resume", "--reason", "x"], ["kill"]])
def test_without_a_service_or_a_token_the_failure_says_what_to_do(arguments, capsys, monkeypatch):
    assert cli.main(arguments) == 1
    assert "tradewarden token create" in capsys.readouterr().err
    monkeypatch.setenv("TRADEWARDEN_TOKEN", "a-token-for-tests")
    monkeypatch.setenv("TRADEWARDEN_BIND", "127.0.0.1:9")
    assert cli.main(arguments) == 1
    assert "tradewarden run" in capsys.readouterr().err


def test_a_direct_kill_leaves_a_file_for_whatever_starts_next(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("ops.cli.kill.TAKEN_SECONDS", 0.1)
    assert cli.main(["kill", "--direct", "--reason", "fire"]) == 0
    file = tmp_path / "data" / "KILL"
    assert file.read_text() == "fire"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert str(file) in capsys.readouterr().out


def test_no_byte_in_its_reason_keeps_a_kill_from_being_pulled(monkeypatch, tmp_path):
    """A terminal may send another encoding than UTF-8; Python hands its bytes on as halves of pairs."""
    monkeypatch.setattr("ops.cli.kill.TAKEN_SECONDS", 0.1)
    assert cli.main(["kill", "--direct", "--reason", os.fsdecode(b"fire in the k\xfcche")]) == 0
    assert (tmp_path / "data" / "KILL").read_text(encoding="utf-8") == "fire in the k\ufffdche"


@pytest.mark.parametrize(
    ("given", "sent"),
    [("", "pulled from the command line"), (" \n", "pulled from the command line"), ("x" * 600, "x" * 500)],
)
def test_a_kill_is_not_refused_for_its_reason(given, sent, monkeypatch):
    """The API takes 1 to 500 characters; whoever pulls a kill may paste a whole log."""
    kills = []

    class Recorder:
        async def kill(self, reason, **scope):
            kills.append(reason)
            return KillBody(trading_state="halted", kill_id="k-1", durable=True, in_flight=())

    monkeypatch.setattr("ops.cli.kill.ask", lambda asked, work: trio.run(work, Recorder()))
    assert cli.main(["kill", "--reason", given]) == 0
    assert kills == [sent]


@pytest.mark.parametrize(
    "arguments",
    [
        "kill --reason ? --exchange ? --symbol ?",
        "resume --reason ? --exchange ? --symbol ?",
        "verdict id --absent --reason ?",
        "adjust sim USDT --amount=1 --reference ? --reason ?",
        "limits set margin on --reason ?",
        "token create --user ann --scope read --note ?",
        "webhook create https://hooks.example.com/x --note ?",
    ],
)
def test_what_a_person_writes_can_be_sent_whatever_bytes_the_terminal_gave(arguments):
    name, *given = arguments.replace("?", os.fsdecode(b"\xfc")).split()
    command = importlib.import_module(cli.MODULES[name][0]).command(name)
    asked = vars(cli.parser_of(name, command).parse_args(given))
    texts = [value for value in asked.values() if isinstance(value, str)]
    assert "\udcfc" not in "".join(texts)
    assert texts.count("\ufffd") == arguments.count("?")


def test_a_direct_kill_uses_the_door_of_the_running_service(capsys, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    heard = []

    def serve(door):
        with door.accept()[0] as client:
            heard.append(client.recv(4096))
            client.sendall(b'{"tradingState":"halted","killId":"k-7","durable":true}\n')

    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "kill.sock"))
        door.listen(1)
        thread = threading.Thread(target=serve, args=(door,))
        thread.start()
        assert cli.main(["kill", "--direct", "--reason", "fire", "--symbol", "BTC/USDT"]) == 0
        thread.join()
    assert b'"symbol":"BTC/USDT"' in heard[0]
    assert "k-7" in capsys.readouterr().out
    assert not (folder / "KILL").exists()


def test_the_kill_file_has_the_name_that_the_service_looks_for():
    from ops.cli.kill import KILL_FILE
    from supervisors import edge

    assert KILL_FILE == edge.KILL_FILE


def test_doctor_looks_at_what_a_start_needs(capsys, monkeypatch, postgres_dsn):
    monkeypatch.setenv("TRADEWARDEN_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("TRADEWARDEN_BIND", "127.0.0.1:18099")
    assert cli.main(["doctor"]) == 0
    monkeypatch.setenv("TRADEWARDEN_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert cli.main(["doctor"]) == 1
    assert "BAD  database" in capsys.readouterr().out


def test_the_tree_is_drawn_with_branches():
    def node(address, *children, **more):
        facts = {"state": "running", "generation": 1, "restarts": 0, "mailbox": 0, "last_error": None} | more
        return NodeBody(address=address, children=children, **facts)

    drawn = list(tree_lines(node("root", node("a", node("b")), node("c", restarts=2, last_error="boom"))))
    assert drawn == [
        "root  (running, life 1)",
        "├─ a  (running, life 1)",
        "│  └─ b  (running, life 1)",
        "└─ c  (running, life 1, 2 restarts, last error: boom)",
    ]


def test_a_wildcard_address_is_reached_on_this_machine():
    class Chosen:
        tls = None

        class bind:
            host, port = "0.0.0.0", 8085

    assert url_of(Chosen) == "http://127.0.0.1:8085"


def test_frames_become_lines():
    gap = FeedFrame(type="gap", channel="orders", seq=9)
    assert "missed" in watch.lines(gap)[0]
    data = b'{"symbol":"BTC/USDT","bid":"1","ask":"2","last":"1","exchange":"sim"}'
    assert "bid 1  ask 2" in watch.lines(FeedFrame(type="update", channel="markets", seq=1, data=data))[0]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_failure_that_a_nursery_carries_ends_as_it_would_bare(depth, capsys):
    """`tradewarden watch | head` ends when head has had enough, and says nothing."""
    raised: BaseException = Failed("the exchange is away", 7)
    for _ in range(depth):
        raised = BaseExceptionGroup("a nursery", [raised])
    assert cli.run(Command("", "", nothing, fail_with(raised)), Namespace()) == 7
    assert capsys.readouterr().err == "tradewarden: the exchange is away\n"


def test_a_fault_of_ours_is_not_swallowed():
    several = ExceptionGroup("a nursery", [ValueError("one"), Failed("two")])
    with pytest.raises(ExceptionGroup):
        cli.run(Command("", "", nothing, fail_with(several)), Namespace())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_an_output_that_takes_nothing_is_one_line_and_a_failure(arguments):
    """The lines wait in a buffer, and Python itself only notes at the very end that they went nowhere."""
    command = [sys.executable, "-m", "ops.cli.main", *arguments]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "tradewarden: No space left on device\n")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:abc",
        "http://[::1",
        "127.0.0.1:8085",
        "http://",
        "ftp://127.0.0.1",
        "http://a\nb",
    ],
)
def test_a_url_that_is_none_is_one_line(url, capsys, monkeypatch):
    """A slip of the hand at the port is told as such."""
    monkeypatch.setenv("TRADEWARDEN_TOKEN", "a-token-for-tests")
    assert cli.main(["tree", "--url", url]) == 1
    assert (said := capsys.readouterr().err).startswith("tradewarden: --url ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [("", "is empty"), (" \n", "is empty"), ("tw_ä", "holds no token"), ("two words", "holds no token"),
     ("two\nlines", "holds no token")],
)  # fmt: skip
def test_a_token_file_that_holds_no_token_is_one_line(content, why, capsys, tmp_path):
    """It goes into a header as it is, where nothing else fits; a service that is away is not the cause."""
    file = tmp_path / "mine"
    file.write_text(content, encoding="utf-8")
    assert cli.main(["tree", "--token-file", str(file)]) == 1
    assert (said := capsys.readouterr().err).startswith(f"tradewarden: {file} {why}")
    assert said.count("\n") == 1


def test_a_time_before_the_first_year_is_one_line(capsys, monkeypatch):
    """The calendar of Python ends there."""
    monkeypatch.setenv("TRADEWARDEN_TOKEN", "a-token-for-tests")
    assert cli.main(["audit", "--since", "999999d"]) == 1
    assert capsys.readouterr().err.startswith("tradewarden: --since ")


@pytest.mark.usefixtures("with_database")
def test_a_folder_for_backups_that_cant_be_is_one_line(capsys, tmp_path):
    """A file lies in its place, or above it."""
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        assert cli.main(["backup", "--to", str(folder)]) == 1
        assert (said := capsys.readouterr().err).startswith(f"tradewarden: {folder}: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize("action", ["drill", "check"])
@pytest.mark.parametrize("name", ["typo", "."])
def test_a_backup_that_there_is_not_is_refused_and_no_drill(action, name, capsys, tmp_path):
    """The record of the last drill is what the doctor and the alerts go by."""
    assert cli.main(["backup", "key"]) == 0
    record = tmp_path / "data" / "backups" / "drill.json"
    record.parent.mkdir()
    record.write_text("good")
    capsys.readouterr()
    assert cli.main(["backup", action, "--name", name]) == 1
    assert f"there is no backup {name!r}" in capsys.readouterr().err
    assert record.read_text() == "good"


def fail_with(error: BaseException):
    def run(_asked: Namespace) -> int:
        raise error

    return run
