"""Runs a module of this project, or says plainly that this version does not have it yet.

The Makefile promises a fixed set of targets; a capability that has not arrived must fail with one clear
line and not with an import error.
"""

import importlib.util
import runpy
import sys


def exists(module: str) -> bool:
    """Whether ``module`` (dotted name; a package needs a ``__main__``) can be found, without running it."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        return False
    return spec is not None


def main(arguments: list[str]) -> int:
    """Run ``arguments[0]`` as a program with the rest as its arguments; 3 when it is not there."""
    module, *rest = arguments
    if not exists(module):
        print(f"{module} is not there yet: this version of tradewarden does not have it.", file=sys.stderr)
        return 3
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
