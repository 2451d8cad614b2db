"""Run a script as `python script.py` would, with its training watched; the process that `running.py` starts.

    python -m hasten.scripts.child RESULT WATCH OPTIONS SCRIPT [ARGUMENT ...]
    python -m hasten.scripts.child RESULT WATCH OPTIONS -m MODULE [ARGUMENT ...]

WATCH is "module:class" of a `Watch`, OPTIONS its keywords as JSON.

torch is not imported before the script does so: what the script sets in the environment first still has its effect.
"""

import importlib.util
import io
import json
import runpy
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hasten.scripts.watch import Watch


class OnImport(MetaPathFinder, Loader):
    """Calls a function once, after a module was imported for the first time."""

    def __init__(self, name: str, then: Any) -> None:
        self._name, self._then = name, then
        self._found: ModuleSpec | None = None

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find the module as Python would, and take its loader's place."""
        if fullname != self._name or self._found is not None:
            return None
        sys.meta_path.remove(self)
        self._found = importlib.util.find_spec(fullname)
        if self._found is None or self._found.loader is None:
            return self._found
        self._plain, self._found.loader = self._found.loader, self
        return self._found

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self._plain.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, with its own loader in its place again, and then the function."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._plain
        self._plain.exec_module(module)
        self._then()


class NoModuleError(Exception):
    """There is no module of that name to run."""


def main(result: Path, kind: str, options: dict[str, Any], command: Sequence[str]) -> int:
    """Run what would follow `python`, write what a watch saw of its training, and return the exit code."""
    watches: list[Watch] = []

    def begin() -> None:
        module, _, name = kind.partition(":")
        watches.append(getattr(importlib.import_module(module), name)(**options))
        watches[-1].__enter__()

    sys.meta_path.insert(0, OnImport("torch", begin))
    code = 1
    try:
        code = _run_as_main(command)
        return code
    finally:
        for one in watches:
            one.__exit__(*([SystemExit(code)] if code else []))
            _write(one, result)


def _run_as_main(command: Sequence[str]) -> int:
    """Run a file or a module as `__main__` and end as Python does: its own traceback, its own exit code."""
    module = ModuleType("__main__")
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    try:
        code = _code_of_module(command, module) if command[0] == "-m" else _code_of_file(command, module)
        exec(code, module.__dict__)
    except NoModuleError as error:
        sys.stderr.write(f"{sys.executable}: {error}\n")
        return 1
    except SystemExit as ended:
        return _exit_code(ended.code)
    except BaseException as error:  # noqa: BLE001  (it ends the process, as in Python itself)
        while error.__traceback__ is not None and error.__traceback__.tb_frame.f_code.co_filename == __file__:
            error.__traceback__ = error.__traceback__.tb_next  # without those of this file
        sys.excepthook(type(error), error, error.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _code_of_file(command: Sequence[str], module: ModuleType) -> CodeType:
    """Return the code of `python SCRIPT ...`, with the module and `sys` as Python prepares them."""
    script = Path(command[0])
    sys.argv, sys.path[0] = list(command), str(script.parent.resolve())
    module.__file__ = str(script.absolute())
    with io.open_code(str(script.resolve())) as file:
        return compile(file.read(), module.__file__, "exec", dont_inherit=True)


def _code_of_module(command: Sequence[str], module: ModuleType) -> CodeType:
    """Return the code of `python -m MODULE ...`, with the module and `sys` as Python prepares them."""
    sys.argv, sys.path[0] = list(command[:1]) + list(command[2:]), str(Path.cwd())
    _, spec, code = runpy._get_module_details(command[1], NoModuleError)  # type: ignore[attr-defined]
    sys.argv[0] = module.__file__ = spec.origin
    module.__spec__, module.__loader__, module.__package__ = spec, spec.loader, spec.parent
    return code


def _exit_code(code: object) -> int:
    """Return the exit code of `sys.exit(code)`; anything but a number is printed, as Python does."""
    if code is None or isinstance(code, int):
        return int(code or 0)
    sys.stderr.write(f"{code}\n")
    return 1


def _write(watch: "Watch", result: Path) -> None:
    """Write what was seen, or the reason why there is none; a failure of ours must not become one of the script."""
    from hasten.base.errors import BadInput
    from hasten.base.records.record import save_exact

    try:
        save_exact(watch.seen(), result)
    except BadInput as error:
        result.with_suffix(".reason").write_text(str(error))
        return
    except Exception:  # noqa: BLE001  (the parent prints it; the exit code is the script's)
        result.with_suffix(".reason").write_text(traceback.format_exc())
        return


if __name__ == "__main__":
    own, watch, keywords = sys.argv[1:4]
    with suppress(BrokenPipeError):
        sys.exit(main(Path(own), watch, json.loads(keywords), sys.argv[4:]))
