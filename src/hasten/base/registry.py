"""Named things that hasten brings, that other packages offer by entry points, and that a program registers."""

import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from hasten.base.errors import BadInput, HastenWarning

Member = TypeVar("Member")


class Registry(MutableMapping[str, Member], Generic[Member]):
    """Name -> member: the built-in ones in their order, then those of installed packages, then registered ones.

    Built-in members are imported when they are first asked for. Entry points are loaded with the first look at the
    names; one that cannot be loaded, or that offers a name that is taken, is left out with one `HastenWarning`.

    Args:
        kind: what the members are, for messages: "technique".
        group: of the entry points.
        built_in: name -> member, or "module:attribute" to import.
        adapt: returns what was offered as a member, or raises TypeError with what it lacks.
        name_of: name of an offered member, where that is not the name of its entry point.
    """

    def __init__(
        self,
        kind: str,
        *,
        group: str,
        built_in: Mapping[str, Member | str],
        adapt: Callable[[str, Any], Member],
        name_of: Callable[[Member], str] | None = None,
    ) -> None:
        self._kind, self._group, self._adapt, self._name_of = kind, group, adapt, name_of
        self.built_in = tuple(built_in)
        self._members: dict[str, Member | str] = dict(built_in)
        self._looked = False

    def register(self, name: str, member: Any) -> Member:
        """Add a member for this process and return it.

        Raises:
            BadInput: if the name is taken by another member, or the member lacks something.
        """
        try:
            adapted = self._adapt(name, member)
        except TypeError as error:
            raise BadInput(f"cannot register the {self._kind} {name!r}: {error}.") from error
        if name in self and self[name] is not member:
            raise BadInput(f"cannot register the {self._kind} {name!r}: the name is taken. Choose another name.")
        self._members[name] = adapted
        return adapted

    def reload(self) -> None:
        """Forget what installed packages and the program added, and look at the entry points again."""
        self._members = {name: self._members[name] for name in self.built_in}
        self._looked = False

    def __getitem__(self, name: str) -> Member:
        self._look()
        member = self._members[name]
        if isinstance(member, str):
            module, _, attribute = member.partition(":")
            member = self._members[name] = self._adapt(name, getattr(import_module(module), attribute))
        return member

    def __setitem__(self, name: str, member: Member) -> None:
        self._look()
        self._members[name] = member

    def __delitem__(self, name: str) -> None:
        del self._members[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(self._members)

    def __len__(self) -> int:
        self._look()
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        self._look()
        return name in self._members

    def _look(self) -> None:
        if self._looked:
            return
        self._looked = True
        for point in entry_points(group=self._group):
            why = self._offered(point)
            if why is not None:
                where = f" of the package {point.dist.name}" if point.dist is not None else ""
                text = f"the {self._kind} {point.name!r}{where} was left out: {why}"
                warnings.warn(text, HastenWarning, stacklevel=3)

    def _offered(self, point: EntryPoint) -> str | None:
        """Add what an entry point offers, or return why it is left out."""
        try:
            member = self._adapt(point.name, point.load())
            name = self._name_of(member) if self._name_of else point.name
        except Exception as error:  # noqa: BLE001  (importing another package may raise anything)
            return f"loading {point.value} failed with {type(error).__name__}: {error}"
        if name in self._members:
            return f"the name {name!r} is taken"
        self._members[name] = member
        return None
