"""`tradewarden webhook`: a mistyped webhook is refused."""

import argparse

import pytest

from ops.cli import webhook
from ops.cli.command import Failed


class NoneAtAll:
    """A service without webhooks."""

    async def dead_letters(self, _webhook_id):
        for none in ():
            yield none

    async def webhooks(self):
        return []


async def test_the_dead_letters_of_a_webhook_that_there_is_not_are_refused():
    """An empty list would say that everything had arrived."""
    assert await webhook._dead(NoneAtAll(), argparse.Namespace(webhook=None)) == []
    with pytest.raises(Failed, match="there is no webhook 'nope'"):
        await webhook._dead(NoneAtAll(), argparse.Namespace(webhook="nope"))
