# SPDX-License-Identifier: Apache-2.0
"""The recipe: what a person decides about an image. 'mse image lock' turns it into a lock file."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from .lock import ARCHIVES, Suite
from .problem import Problem


@dataclass
class Recipe:
    name: str
    python: str
    memory_min: int
    cmdline: str
    suites: list[str]       # of the root and the tools, with their archive: "debian/bookworm"
    root: list[str]         # what the root needs, without what that needs
    leave_out: list[str]    # dependencies that are of no use without a package manager
    tool: list[str]         # what makes the file system
    kernel: dict[str, str]  # {suite, package}; of a meta package, what it depends on
    firmware: dict[str, dict[str, str]]  # "snp", "tdx": {suite, package}


def parse_suite(text: str, where: str) -> Suite:
    archive, _, name = text.partition("/")
    if archive not in ARCHIVES or name == "":
        raise Problem(f"{where}: suite '{text}', expected 'debian/NAME' or 'debian-security/NAME'")
    return Suite(archive, name)


def read_recipe(path: Path) -> Recipe:
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except FileNotFoundError as error:
        raise Problem(f"no recipe '{path}'") from error
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{path}: {error}") from error
    known = {field.name: field.type for field in fields(Recipe)}
    for key in table:
        if key not in known:
            raise Problem(f"{path}: unknown key '{key}'; known are {', '.join(known)}")
    for key, kind in known.items():
        origin = getattr(kind, "__origin__", kind)
        if not isinstance(table.get(key), origin):
            raise Problem(f"{path}: '{key}' is missing or not of type {origin.__name__}")
    return Recipe(**table)


def recipe_suites(recipe: Recipe, where: str) -> tuple[list[Suite], list[Suite]]:
    """(those of root and tools, all)"""
    own = [parse_suite(text, where) for text in recipe.suites]
    more = [parse_suite(place["suite"], where)
            for place in [recipe.kernel, *recipe.firmware.values()]]
    return own, list(dict.fromkeys(own + more))
