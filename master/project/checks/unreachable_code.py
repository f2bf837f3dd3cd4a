"""Code that Locust would run on its master, or alone, and that never runs here, where every locustfile's runner is a worker's. Pure.

Read from tests such as `if not isinstance(environment.runner, WorkerRunner)`: each test is worked out as it comes out on a
worker, as far as it can be known; what follows from it never runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

_WORKER = frozenset({"WorkerRunner", "DistributedRunner", "Runner"})
_NO_WORKER = frozenset({"MasterRunner", "LocalRunner"})
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_OPTIONS = {"worker": True, "master": False}


def last_name(node: ast.AST) -> str:
    """The last name of `a.b.c`, `c`; empty for what is no name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_main(test: ast.expr) -> bool:
    """Whether it is `__name__ == "__main__"`, which holds under no load generator."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def unreachable_blocks(body: Sequence[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The statements of `body`, and of the blocks within them, that run on a master or alone, in runs of neighbours."""
    for number, statement in enumerate(body):
        if isinstance(statement, ast.If):
            if is_main(statement.test):
                continue
            outcome = outcome_on_worker(statement.test)
            never, taken = {
                True: (statement.orelse, statement.body),
                False: (statement.body, statement.orelse),
                None: ([], []),
            }[outcome]
            if never:
                yield never
            if taken and isinstance(taken[-1], _LEAVES):
                if body[number + 1 :]:
                    yield list(body[number + 1 :])
                return
            blocks = [taken] if outcome is not None else [statement.body, statement.orelse]
        else:
            blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(statement, "handlers", [])]
            blocks += [case.body for case in getattr(statement, "cases", [])]
        for block in blocks:
            yield from unreachable_blocks(block)


def outcome_on_worker(test: ast.expr) -> bool | None:
    """Outcome of `test` on a worker of piswarm's; None where it is unknown."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = outcome_on_worker(operand)
            return None if inner is None else not inner
        case ast.BoolOp(op=op, values=values):
            known = [outcome_on_worker(value) for value in values]
            decides = isinstance(op, ast.Or)
            return decides if decides in known else None if None in known else not decides
        case ast.Call(func=ast.Name(id="isinstance"), args=[of, classes]) if _is_runner(of):
            return _any_of(classes)
        case ast.Compare(ops=[op]) if compared_class(test) in _NO_WORKER:
            return isinstance(op, ast.IsNot | ast.NotEq)
        case ast.Attribute(attr=attr, value=of) if attr in _OPTIONS and last_name(of) in {"parsed_options", "options"}:
            return _OPTIONS[attr]
    return None


def _is_runner(node: ast.expr) -> bool:
    return "runner" in last_name(node).lower()


def _any_of(classes: ast.expr) -> bool | None:
    names = [last_name(one) for one in (classes.elts if isinstance(classes, ast.Tuple) else [classes])]
    if any(name in _WORKER for name in names):
        return True
    return False if all(name in _NO_WORKER for name in names) else None


def compared_class(test: ast.expr) -> str:
    """The name of the class that `type(runner) is X`, `runner.__class__ == X` or `type(runner).__name__ == "X"` is about, or ""."""
    if not (isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.IsNot | ast.Eq | ast.NotEq)):
        return ""
    left, other = test.left, test.comparators[0]
    of_name = isinstance(left, ast.Attribute) and left.attr == "__name__"
    if isinstance(left, ast.Attribute) and of_name:
        left = left.value
    match left:
        case ast.Call(func=ast.Name(id="type"), args=[of]) if _is_runner(of):
            pass
        case ast.Attribute(attr="__class__", value=of) if _is_runner(of):
            pass
        case _:
            return ""
    return str(other.value) if of_name and isinstance(other, ast.Constant) else last_name(other)
