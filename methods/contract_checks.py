"""What a method's source shows to be against the contract, told with file and line before anything is imported."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from methods.hyper import MethodError
from methods.sources import Class, Source, class_of, read

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
    found = dict.fromkeys(_OF_MODULES.split(), "which every method has as a torch.nn.Module")
    contract = _contract()
    declared = {node.target.id for node in contract[1].body if _is_annotated(node)}  # type: ignore[attr-defined]
    found |= dict.fromkeys((*declared, *functions(contract)), "which is a part of the contract")
    for one in lineage:
        found |= dict.fromkeys(functions(one).keys() - found.keys(), f"which is a function of {one[1].name}")
    return found


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


def check_stages(one: Class) -> None:
    """Raise MethodError where the class makes a `Stage` that cannot be, or whose settings would not count."""
    source, node = one
    for call in _calls_of("Stage", node, source):
        given = dict(zip(("epochs", "optimizer", "restart"), call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        here = f"{source.path}, line {call.lineno}: class {node.name}: Stage"
        epochs, restart, settings = given.get("epochs"), given.get("restart"), given.get("optimizer")
        if isinstance(epochs, ast.Constant) and type(epochs.value) not in (int, type(None)):
            raise MethodError(f"{here}({epochs.value!r}): {EPOCHS}")
        empty = settings is None or (isinstance(settings, ast.Dict) and not settings.keys)
        if isinstance(restart, ast.Constant) and restart.value is False and not empty:
            raise MethodError(f"{here}(restart=False): {IGNORED}")


def _calls_of(name: str, node: ast.AST, source: Source) -> Iterator[ast.Call]:
    """The calls of a class of the contract."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == name:
            found = class_of(call.func, source)
            if found is not None and is_contract(found, name):
                yield call


def check_class(lineage: Collection[Class]) -> None:
    """Raise MethodError naming file and line where a class, or one that it comes from, breaks the contract."""
    for one in lineage:
        if one[0].module != CONTRACT:
            check_hooks(one)
            check_stages(one)
