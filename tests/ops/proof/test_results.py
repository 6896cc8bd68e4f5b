"""A long run of seeds can be broken off at any moment and go on."""

from ops.proof.play import Result
from ops.proof.results import Keeper, read
from ops.proof.simulate import main


def a_result(seed: int) -> Result:
    return Result(
        seed=seed,
        digest="0" * 64,
        records=1,
        orders=2,
        clients=3,
        exchanges=1,
        symbols=1,
        processes=1,
        fired={"crash": 1},
        markers={},
        edges={},
        violations=(),
    )


def test_results_are_read_as_they_were_kept(tmp_path):
    """With the commit that was played."""
    keeper = Keeper(tmp_path / "results")
    keeper.add(a_result(1))
    keeper.add(a_result(2))
    lines = read(tmp_path / "results")
    assert [line.result for line in lines] == [a_result(1), a_result(2)]
    assert all(line.commit for line in lines)


def test_a_line_that_a_crash_cut_short_is_played_again(tmp_path):
    """What was written before it stays."""
    path = tmp_path / "results"
    Keeper(path).add(a_result(1))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert len(read(path)) == 1
    Keeper(path).add(a_result(2))
    assert [line.result.seed for line in read(path)] == [1, 2]


def test_a_run_plays_only_what_its_file_does_not_hold(tmp_path, capsys):
    """All of these seeds are there already: the report is made of them, at once."""
    keeper = Keeper(tmp_path / "results")
    for seed in (1, 2):
        keeper.add(a_result(seed))
    assert main(["--seeds", "2", "--results", str(tmp_path / "results")]) == 0
    assert "2 seeds in 0 s" in capsys.readouterr().out
