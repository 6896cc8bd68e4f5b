"""The package of messages shows every message, and nothing else."""

import importlib
import pkgutil

import pytest

from actors.model import messages

MODULES = [module.name for module in pkgutil.iter_modules(messages.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_every_message_of_a_module_is_shown_by_the_package(name):
    module = importlib.import_module(f"{messages.__name__}.{name}")
    own = {
        each.__name__
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__
    }
    assert own
    assert own <= set(messages.__all__)


def test_what_the_package_shows_is_there_and_is_a_message():
    assert all(issubclass(getattr(messages, name), messages.Message) for name in messages.__all__)
