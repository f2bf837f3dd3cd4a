"""Names and comparisons in a source. Pure."""

from __future__ import annotations

import ast


def last_name(node: ast.AST) -> str:
    """The last name of `a.b.c`, `c`; empty for what is no name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_main(test: ast.expr) -> bool:
    """Whether it is `__name__ == "__main__"`, which holds under no load generator."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _is_runner(node: ast.expr) -> bool:
    return "runner" in last_name(node).lower()


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
