"""One call of an operator: the shapes and values that are known of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .graph import Node, RejectedGraphError, Shape


@dataclass
class Call:
    """A node with what is known of its inputs; absent optional inputs are None."""

    node: Node
    shapes: list[Shape | None]
    values: list[NDArray[Any] | None]

    def given(self, index: int) -> bool:
        """Return whether an optional input is there."""
        return index < len(self.shapes) and self.shapes[index] is not None

    def shape(self, index: int = 0) -> Shape:
        """Return the shape of an input that has to be there."""
        found = self.shapes[index] if index < len(self.shapes) else None
        if found is None:
            raise RejectedGraphError("lacks an input")
        return found

    def known(self, index: int = 0) -> NDArray[Any] | None:
        """Return the value of an input; None: it depends on pixels, or is large."""
        return self.values[index] if self.given(index) else None

    def value(self, index: int) -> NDArray[Any]:
        """Return the value of an input on which shapes depend."""
        self.shape(index)
        found = self.known(index)
        if found is None:
            raise RejectedGraphError("makes a tensor whose size is not a function of the input's size")
        return found

    def integers(self, index: int) -> list[int]:
        """Return the value of an input of integers."""
        found = self.value(index)
        if found.dtype.kind not in "iu":
            raise TypeError
        return [int(number) for number in found.ravel()]


@dataclass
class Made:
    """The outputs of a call.

    Attributes:
        values: Of the first outputs, None where unknown.
        work: Multiply-adds, if more than one per element of the inputs and outputs.
        scratch: Elements of the largest buffer that engines need besides.
    """

    shapes: list[Shape]
    values: Sequence[NDArray[Any] | None] = ()
    work: int = 0
    scratch: int = 0
