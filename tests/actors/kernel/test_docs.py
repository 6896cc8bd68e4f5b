"""The worked example of docs/kernel.md runs and prints what it says."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "kernel.md"


def test_the_worked_example_runs_and_prints_what_the_page_says(capsys):
    example = PAGE.read_text().partition("## A worked example")[2]
    code = re.search(r"```python\n(.*?)```", example, re.DOTALL).group(1)
    output = re.search(r"It prints\n\n```\n(.*?)```", example, re.DOTALL).group(1)
    exec(compile(code, str(PAGE), "exec"), {"__name__": "example"})
    assert capsys.readouterr().out == output
