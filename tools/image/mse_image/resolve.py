# SPDX-License-Identifier: Apache-2.0
"""From a recipe and signed lists to a lock: which packages, in which versions.

Plain and predictable rather than clever: the newest version of each name, the first alternative
that exists, every dependency but those that the recipe leaves out.
"""

import functools
import re
import subprocess

from .debian import Lists, signed_packages, stanzas
from .lock import Lock, Package, Suite
from .problem import Problem, program
from .recipe import Recipe, recipe_suites

Index = dict[str, dict[str, str]]  # newest stanza by name


def newer(left: str, right: str) -> bool:
    command = [program("dpkg", "dpkg"), "--compare-versions", left, "gt", right]
    return subprocess.run(command, check=False).returncode == 0


def index_of(texts: list[str]) -> Index:
    index: Index = {}
    for text in texts:
        for stanza in stanzas(text):
            known = index.get(stanza["Package"])
            if known is None or newer(stanza["Version"], known["Version"]):
                index[stanza["Package"]] = stanza
    return index


def providers(index: Index) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, stanza in sorted(index.items()):
        for provided in stanza.get("Provides", "").split(","):
            word = provided.strip().split(" ")[0]
            if word:
                found.setdefault(word, []).append(name)
    return found


def alternatives(stanza: dict[str, str]) -> list[list[str]]:
    """[[a], [b, c]] for "a (>= 1), b:any | c"; versions are left to the suite's own consistency."""
    text = ", ".join(stanza[key] for key in ("Pre-Depends", "Depends") if key in stanza)
    return [[re.split(r"[ :(]", choice.strip())[0] for choice in group.split("|")]
            for group in text.split(",") if group.strip()]


def closure(index: Index, wanted: list[str], leave_out: list[str]) -> list[dict[str, str]]:
    provided = providers(index)

    def real_name(choices: list[str], needed_by: str) -> str | None:
        if any(choice in leave_out for choice in choices):
            return None
        for choice in choices:
            if choice in index:
                return choice
            for name in provided.get(choice, []):
                return None if name in leave_out else name
        raise Problem(f"package '{needed_by}' needs '{' | '.join(choices)}', which no list has")

    taken: dict[str, dict[str, str]] = {}
    open_names = [real_name([name], "the recipe") for name in wanted]
    while open_names:
        name = open_names.pop()
        if name is None or name in taken:
            continue
        taken[name] = index[name]
        open_names += [real_name(choices, name) for choices in alternatives(index[name])]
    return [taken[name] for name in sorted(taken)]


def package_of(role: str, stanza: dict[str, str]) -> Package:
    return Package(role, stanza["Package"], stanza["Version"], stanza["Architecture"],
                   stanza["SHA256"], int(stanza["Size"]))


def kernel_of(index: Index, name: str) -> dict[str, str]:
    """The kernel itself where the recipe names a meta package."""
    if name not in index:
        raise Problem(f"no list has the kernel package '{name}'")
    for choices in alternatives(index[name]):
        if re.match(r"linux-image-[0-9]", choices[0]) and choices[0] in index:
            return index[choices[0]]
    return index[name]


def resolve(recipe: Recipe, where: str, lists: Lists, keyring: str) -> Lock:
    own, suites = recipe_suites(recipe, where)

    @functools.cache
    def text_of(suite: Suite) -> str:
        return signed_packages(lists, suite, keyring)

    def index_for(place: dict[str, str]) -> Index:
        wanted = [suite for suite in suites
                  if f"{suite.archive}/{suite.name}" == place["suite"]]
        return index_of([text_of(suite) for suite in wanted])

    index = index_of([text_of(suite) for suite in own])
    packages = [package_of("root", stanza)
                for stanza in closure(index, recipe.root, recipe.leave_out)]
    packages += [package_of("tool", stanza)
                 for stanza in closure(index, recipe.tool, recipe.leave_out)]
    packages.append(package_of("kernel", kernel_of(index_for(recipe.kernel),
                                                   recipe.kernel["package"])))
    for tee, place in recipe.firmware.items():
        stanza = index_for(place).get(place["package"])
        if stanza is None:
            raise Problem(f"no list has the firmware package '{place['package']}'")
        packages.append(package_of(f"firmware-{tee}", stanza))
    return Lock(recipe.name, recipe.python, recipe.memory_min, recipe.cmdline, suites, packages)


def changes(old: Lock | None, new: Lock) -> list[str]:
    """What a new lock changes, one line each."""
    if old is None:
        return [f"new lock, {len(new.packages)} packages"]
    lines = [f"{name}: {before} -> {after}" for name, before, after in (
        ("python", old.python, new.python), ("memory-min", old.memory_min, new.memory_min),
        ("cmdline", old.cmdline, new.cmdline)) if before != after]
    was = {(package.role, package.name): package for package in old.packages}
    now = {(package.role, package.name): package for package in new.packages}
    for key in sorted(was.keys() | now.keys()):
        before, after = was.get(key), now.get(key)
        if before == after:
            continue
        role, name = key
        if before is None:
            lines.append(f"{role} {name}: new, {after.version}")
        elif after is None:
            lines.append(f"{role} {name}: gone, was {before.version}")
        elif before.version != after.version:
            lines.append(f"{role} {name}: {before.version} -> {after.version}")
        else:
            lines.append(f"{role} {name}: {after.version} has other bytes")
    return lines
