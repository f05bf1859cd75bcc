"""What a method's source shows to be against the contract, told with file and line before anything is imported."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from methods.hyper import MethodError
from methods.sources import Class, Source, assigned, class_of, read

CONTRACT = "methods.base"
_BASE = Path(__file__).resolve().parent / "base.py"
EPOCHS = (
    "`epochs` is a whole number, or None for the rest of the run; a share of the run is a hyper-parameter made by "
    "`methods.hyper.epochs`"
)
IGNORED = "the optimiser goes on as it is, and would ignore the settings given with it; leave them out, or restart"
_OF_MODULES = (
    "T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches "
    "eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict "
    "modules mtia named_buffers named_children named_modules named_parameters network parameters "
    "register_backward_hook register_buffer register_forward_hook register_forward_pre_hook "
    "register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook "
    "register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook "
    "register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict task to "
    "to_empty train training type xpu zero_grad"
)
"""What torch.nn.Module, whose source is too long to be read each time, and `Method` give every instance."""

_REGISTERS = ("register_buffer", "register_parameter", "register_module", "add_module")


def is_contract(one: Class, name: str = "Method") -> bool:
    """Whether a class is the contract's of that name."""
    return one[0].module == CONTRACT and one[1].name == name


def functions(one: Class) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a class body."""
    return {node.name: node for node in one[1].body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _contract() -> Class:
    source = read(_BASE, CONTRACT)
    return source, next(node for node in source.classes() if node.name == "Method")


def taken_names(lineage: Iterable[Class]) -> dict[str, str]:
    """What a hyper-parameter may not be called, each with a clause that says why."""
    taken = dict.fromkeys(_OF_MODULES.split(), "which every method has as a torch.nn.Module")
    contract = _contract()
    declared = {node.target.id for node in contract[1].body if _is_annotated(node)}  # type: ignore[attr-defined]
    taken |= dict.fromkeys((*declared, *functions(contract)), "which is a part of the contract")
    for one in lineage:
        taken |= dict.fromkeys(functions(one).keys() - taken.keys(), f"which is a function of {one[1].name}")
    return taken


def _is_annotated(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


def whole_number_annotated_float(name: str, lineage: Iterable[Class]) -> bool:
    """Whether the nearest annotation of an attribute says that it is a float, where a whole number is declared."""
    for _, node in lineage:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == name:
                return "float" in ast.unparse(statement.annotation)
    return False


def check_hooks(one: Class) -> None:
    """Raise MethodError where a hook of the contract cannot be called as it is."""
    contract = functions(_contract())
    for name, own in functions(one).items():
        if name not in contract or name.startswith("__") or own.decorator_list:
            continue
        wanted = [argument.arg for argument in contract[name].args.args]
        optional = len(contract[name].args.defaults)
        if not _takes(own.args, len(wanted), optional):
            raise MethodError(
                f"{one[0].path}, line {own.lineno}: class {one[1].name}: `{name}` is called with "
                f"{', '.join(wanted[1:]) or 'nothing'}: def {name}({', '.join(wanted)})"
            )


def _takes(own: ast.arguments, count: int, optional: int) -> bool:
    """Whether a function can be called with `count` arguments by position, and with up to `optional` fewer."""
    most = len(own.posonlyargs) + len(own.args)
    least = most - len(own.defaults)
    return (own.vararg is not None or most >= count) and least <= count - optional and None not in own.kw_defaults


def check_stages(source: Source) -> None:
    """Raise MethodError where a file makes a `Stage` that cannot be, or whose settings would not count."""
    for node in source.tree.body:
        owner = f"class {node.name}: " if isinstance(node, ast.ClassDef) else ""
        for call in _calls_of("Stage", node, source):
            given = dict(zip(("epochs", "optimizer", "restart"), call.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
            here = f"{source.path}, line {call.lineno}: {owner}Stage"
            epochs, restart, settings = given.get("epochs"), given.get("restart"), given.get("optimizer")
            if isinstance(epochs, ast.Constant) and type(epochs.value) not in (int, type(None)):
                raise MethodError(f"{here}({epochs.value!r}): {EPOCHS}")
            empty = settings is None or (isinstance(settings, ast.Dict) and not settings.keys)
            if isinstance(restart, ast.Constant) and restart.value is False and not empty:
                raise MethodError(f"{here}(restart=False): {IGNORED}")


def _calls_of(name: str, node: ast.AST, source: Source) -> Iterator[ast.Call]:
    """The calls of a class of the contract."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        called = getattr(call.func, "attr", getattr(call.func, "id", None))  # of `module.Stage(...)`, of `Stage(...)`
        if called == name:
            called_class = class_of(call.func, source)
            if called_class is not None and is_contract(called_class, name):
                yield call


def check_no_value(name: str, lineage: Iterable[Class]) -> None:
    """Raise MethodError naming file and line where a class gives a hyper-parameter a value in its body: it is not used.

    Looked at are the class that declares it and those that come from this one; a parent's may be replaced.
    """
    for source, node in lineage:
        own = assigned(node.body)
        if name in own:
            raise MethodError(
                f"{source.path}, line {own[name].lineno}: class {node.name}: gives its hyper-parameter {name!r} a "
                "value of its own, which would not count: its default stands in `hyper`"
            )
        if "hyper" in own:
            return


def check_kept(hyper: Collection[str], lineage: Iterable[Class]) -> None:
    """Raise MethodError naming file and line where a class gives an attribute of a hyper-parameter another value."""
    for one in lineage:
        for function in functions(one).values() if one[0].module != CONTRACT else ():
            for name, line in _written(function):
                if name in hyper:
                    raise MethodError(
                        f"{one[0].path}, line {line}: class {one[1].name}: overwrites its hyper-parameter {name!r}: it "
                        "keeps its value throughout; what changes has another name"
                    )


def _written(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, int]]:
    """The attributes of its instance that a method's function assigns or registers, with the line."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    own = arguments[0].arg if arguments else ""
    for node in ast.walk(function):
        match node:
            case ast.Attribute(value=ast.Name(id=of), attr=name, ctx=ast.Store() | ast.Del()) if of == own:
                yield name, node.lineno
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=of), attr=called), args=[ast.Constant(value=str(name)), *_]
            ) if of == own and called in _REGISTERS:
                yield name, node.lineno
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=of), ast.Constant(value=str(name)), *_]) if (
                of == own
            ):
                yield name, node.lineno


def check_class(lineage: Collection[Class]) -> None:
    """Raise MethodError naming file and line where a class, or one that it comes from, breaks the contract."""
    for one in lineage:
        if one[0].module != CONTRACT:
            check_hooks(one)
            check_stages(one[0])
