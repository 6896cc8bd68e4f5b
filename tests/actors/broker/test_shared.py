"""One question for everybody who asks at once."""

import pytest
import trio

from actors.broker.port import Unavailable
from actors.broker.shell.shared import Shared


class Exchange:
    """Answers each question after a second with its number; `fail` makes the next one fail."""

    def __init__(self):
        self.asked = []
        self.fail = False

    async def put(self, since_us):
        self.asked.append((trio.current_time(), since_us))
        number = len(self.asked)
        await trio.sleep(1)
        if self.fail:
            raise Unavailable("network", "gone")
        return number


async def gather(*functions):
    answers = {}

    async def keep(index, function):
        try:
            answers[index] = await function()
        except Unavailable as problem:
            answers[index] = problem

    async with trio.open_nursery() as nursery:
        for index, function in enumerate(functions):
            nursery.start_soon(keep, index, function)
    return answers


async def test_whoever_comes_later_gets_an_answer_that_began_later(autojump_clock):
    """Ten inquiries cost two questions, and nobody gets an answer that began before he asked."""
    exchange = Exchange()
    shared = Shared(exchange.put)
    began = trio.current_time()

    async def ask(delay):
        await trio.sleep(delay)
        return await shared.ask()

    answers = await gather(*[lambda delay=index / 20: ask(delay) for index in range(10)])
    assert [at - began for at, _ in exchange.asked] == [0.0, 1.0]
    assert answers == {0: 1, **dict.fromkeys(range(1, 10), 2)}


async def test_the_earliest_time_asked_for_counts(autojump_clock):
    exchange = Exchange()
    shared = Shared(exchange.put)

    async def ask(delay, since_us):
        await trio.sleep(delay)
        await shared.ask(since_us)

    await gather(
        *[
            lambda delay=delay, since=since: ask(delay, since)
            for delay, since in ((0, 50), (0.1, 40), (0.2, 10), (0.3, 30))
        ]
    )
    assert [since for _, since in exchange.asked] == [50, 10]


async def test_a_problem_is_told_to_everybody_in_the_round(autojump_clock):
    exchange = Exchange()
    exchange.fail = True
    answers = await gather(*[Shared(exchange.put).ask] * 3)
    assert all(isinstance(answer, Unavailable) for answer in answers.values())
    exchange.fail = False
    assert await Shared(exchange.put).ask() == 3


async def test_who_asks_for_others_and_is_cancelled_hands_the_question_on(autojump_clock):
    """The others get their answer all the same."""
    exchange = Exchange()
    shared = Shared(exchange.put)
    answers = {}

    async def keep(name):
        answers[name] = await shared.ask()

    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def impatient():
            with first:
                await keep("first")

        nursery.start_soon(impatient)
        await trio.sleep(0.1)
        nursery.start_soon(keep, "second")
        nursery.start_soon(keep, "third")
        await trio.sleep(0.1)
        first.cancel()
    assert sorted(answers) == ["second", "third"]
    assert len(exchange.asked) == 2


async def test_answers_come_back_although_nobody_else_asks(autojump_clock):
    shared = Shared(Exchange().put)
    assert await shared.ask() == 1
    assert await shared.ask() == 2
    with pytest.raises(trio.TooSlowError), trio.fail_after(0.5):
        await shared.ask()
    assert await shared.ask() == 4
