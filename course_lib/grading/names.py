"""Which global names a piece of Python source binds and uses. Nothing is run."""

import ast
import symtable

BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)


def bound_names(source: str, imports: bool = False) -> list[str]:
    """Names bound at top level by def, class, assignment or loop (and import, if asked), in order.

    Blocks such as `if` and `with` count as top level. Raises SyntaxError.
    """
    return list(dict.fromkeys(_bound(ast.parse(source).body, imports)))


def used_names(source: str) -> set[str]:
    """Global names that the source reads, at top level or inside functions. Raises SyntaxError."""
    found, tables = set(), [symtable.symtable(source, "cell", "exec")]
    while tables:
        table = tables.pop()
        top = table.get_type() == "module"
        found |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (top or symbol.is_global())
        }
        tables += table.get_children()
    return found


def _bound(body: list[ast.stmt], imports: bool):
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names if imports else ():
                yield alias.asname or alias.name.split(".")[0]
        else:
            yield from _targets(statement)
        if isinstance(statement, BLOCKS):
            for part in ("body", "orelse", "finalbody"):
                yield from _bound(getattr(statement, part, []), imports)
            for handler in getattr(statement, "handlers", []):
                yield from _bound(handler.body, imports)


def _targets(statement: ast.stmt):
    """Names that an assignment, a loop or a `with` binds."""
    targets = list(getattr(statement, "targets", []))
    targets += [statement.target] if hasattr(statement, "target") else []
    targets += [
        item.optional_vars for item in getattr(statement, "items", []) if item.optional_vars
    ]
    if isinstance(statement, ast.Delete):
        return
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
