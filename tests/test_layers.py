"""Imports go one way: cli -> commands -> engine -> parts; objectives are torch alone; reading runs needs no torch."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sspo_cli"
FILES = sorted(PACKAGE.rglob("*.py"))
BELOW_COMMANDS = (
    "engine",
    "rollout",
    "rewards",
    "data",
    "models",
    "evaluation",
    "inspection",
    "trackers",
    "views",
    "objectives",
    "laws",
)
WITHOUT_TORCH = ("config", "runs", "statistics", "study", "views")


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in FILES}


@cache
def imports(file: Path) -> set[str]:
    """Every dotted name that `file` imports, anywhere in it; `from a import b` gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write imports absolutely"
            assert node.module is not None
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_under(name: str, root: str) -> bool:
    return name == root or name.startswith(root + ".")


def room(name: str) -> str:
    """The folder of the package that a module belongs to, or the module itself at top level."""
    return name.split(".")[1] if "." in name else name


def reachable(name: str) -> set[str]:
    """Every dotted name that importing module `name` can lead to, through modules of the package."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = imports(MODULES[waiting.pop()]) - found
        found |= new
        waiting += [module for module in new if module in MODULES]
    return found


@pytest.mark.parametrize("name", [name for name in MODULES if is_under(name, "sspo_cli.objectives")])
def test_objectives_import_torch_and_nothing_else_of_ours(name: str) -> None:
    allowed = ("torch", "sspo_cli.objectives")
    for imported in imports(MODULES[name]):
        standard = imported.split(".")[0] in sys.stdlib_module_names
        assert standard or any(is_under(imported, root) for root in allowed), f"{name} imports {imported}"


def imported_at_once(name: str) -> set[str]:
    """The modules of the package that importing `name` imports first: at top level, with the packages around them."""
    waiting: list[ast.AST] = list(ast.parse(MODULES[name].read_text()).body)
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            waiting += [] if typing_only else list(ast.iter_child_nodes(node))
    around = {".".join(parts[:end]) for parts in (item.split(".") for item in found) for end in range(1, len(parts))}
    parents = {name.rsplit(".", 1)[0] for _ in [0] if "." in name}
    return ((found | around) & MODULES.keys()) - {name} - parents | (found & MODULES.keys() & parents)


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions and for types alone count too; packages count by what their __init__ imports."""
    anywhere = {name: imports(file) & MODULES.keys() for name, file in MODULES.items()}
    edges = {name: (found | imported_at_once(name)) - {name} for name, found in anywhere.items()}
    edges["sspo_cli"] = imported_at_once("sspo_cli")  # the public door imports when it is asked
    assert sum(map(len, edges.values())) > 500, "imports are seen"
    order: list[str] = []
    state: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != "open", f"a circle: {' -> '.join((*path[path.index(name) :], name))}"
        if name in state:
            return
        state[name] = "open"
        for other in sorted(edges[name]):
            visit(other, (*path, name))
        state[name] = "done"
        order.append(name)

    for name in MODULES:
        visit(name, ())
    assert len(order) == len(MODULES)


def test_packages_import_nothing_but_the_public_door() -> None:
    """The door imports when it is asked: `sspo --help` loads no torch, and a gate no configuration."""
    for name, file in MODULES.items():
        if file.name == "__init__.py":
            assert not {found for found in imported_at_once(name)}, f"{name} imports what its modules should"


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in WITHOUT_TORCH])
def test_config_runs_study_and_views_lead_to_no_torch_and_no_transformers(name: str) -> None:
    heavy = {found for found in reachable(name) if is_under(found, "torch") or is_under(found, "transformers")}
    assert not heavy, f"{name} leads to {sorted(heavy)}"


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in ("study", "views")])
def test_a_study_draws_nothing_and_views_run_nothing(name: str) -> None:
    rooms = (
        "config",
        "guards",
        "metrics",
        "plural",
        "runs",
        "statistics",
        "study",
        *(["views", "engine.observer"] if room(name) == "views" else []),
    )
    ours = {found for found in imports(MODULES[name]) if is_under(found, "sspo_cli")}
    other = {found for found in ours if not any(is_under(found, f"sspo_cli.{root}") for root in rooms)}
    assert not other, f"{name} imports {sorted(other)}"


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) == "statistics"])
def test_statistics_import_nothing_else_of_ours_and_nothing_that_draws(name: str) -> None:
    ours = {found for found in imports(MODULES[name]) if is_under(found, "sspo_cli")}
    assert all(is_under(found, "sspo_cli.statistics") for found in ours), ours
    assert not any(is_under(found, "matplotlib") for found in reachable(name))


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) == "views"])
def test_drawing_needs_no_window(name: str) -> None:
    assert "matplotlib.pyplot" not in reachable(name)


@pytest.mark.parametrize("name", MODULES)
def test_only_the_cli_imports_commands(name: str) -> None:
    if name not in ("sspo_cli.cli", "sspo_cli.completers") and room(name) not in ("commands", "parse"):
        found = {imported for imported in imports(MODULES[name]) if is_under(imported, "sspo_cli.commands")}
        assert not found, f"{name} imports {sorted(found)}"


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in (*BELOW_COMMANDS, *WITHOUT_TORCH)])
def test_nothing_below_the_commands_leads_back_up(name: str) -> None:
    above = {
        found
        for found in reachable(name)
        if room(found) in ("commands", "cli", "parse") and is_under(found, "sspo_cli")
    }
    assert not above, f"{name} leads to {sorted(above)}"


def test_whether_a_run_is_alive_is_decided_in_one_place() -> None:
    """STATUS alone cannot tell: others ask runs.status. It says what is; orders to cells are in the file ORDER."""
    readers = {name for name in MODULES if "sspo_cli.runs.folder.get_status" in imports(MODULES[name])}
    assert readers == {"sspo_cli.runs.status"}


def test_an_order_to_cells_has_one_writer_and_one_reader() -> None:
    for name, user in (("give_order", "sspo_cli.study.run"), ("read_order", "sspo_cli.study.job")):
        assert {module for module in MODULES if f"sspo_cli.study.store.{name}" in imports(MODULES[module])} == {user}


def test_configurations_are_resolved_where_the_environment_is_guarded() -> None:
    """Resolvers are looked up when a value is read: whoever reads one elsewhere could read every variable."""
    readers = {name for name in MODULES if any(is_under(found, "omegaconf") for found in imports(MODULES[name]))}
    assert readers == {
        "sspo_cli.config.compose", "sspo_cli.config.interpolation", "sspo_cli.study.launcher", "sspo_cli.study.job",
    }  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_pickled(name: str) -> None:
    picklers = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve"}
    found = {imported for imported in imports(MODULES[name]) if imported.split(".")[0] in picklers}
    assert not found, f"{name} imports {sorted(found)}"


@pytest.mark.parametrize("name", MODULES)
def test_no_private_name_of_a_dependency_is_used(name: str) -> None:
    found = {item for item in imports(MODULES[name]) if any(re.match(r"_(?!_)", part) for part in item.split("."))}
    assert not found, f"{name} imports {sorted(found)}"


def test_yaml_is_loaded_in_one_place() -> None:
    """Others import yaml for its errors, its nodes or its dumper."""
    loading = {"load", "load_all", "safe_load", "full_load", "unsafe_load", "SafeLoader", "CSafeLoader", "BaseLoader"}
    loaders = {
        name
        for name, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "yaml" and node.attr in loading
    }
    assert loaders == {"sspo_cli.config.tree"}


@pytest.mark.parametrize("file", sorted((PACKAGE / "commands").glob("*.py")), ids=lambda file: file.stem)
def test_a_command_parses_calls_and_shows_in_80_lines(file: Path) -> None:
    assert len(file.read_text().split("\n")) <= 81
