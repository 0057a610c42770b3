"""YAML that anyone may have written, read with limits on size, nesting and what aliases expand to."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]

from depdis_deploy.json_files import DEEPEST, check_plain, shortened, shown

LARGEST_YAML = 256 << 10  # bytes
MOST_NODES = 20_000  # which the parser reads in about a second
MOST_VALUES = 100_000  # with every alias written out
MOST_ALIASES = 1000
_MOST_MERGED = 1000  # keys that a mapping takes over by `<<`


def parse_yaml(text: str) -> Any:
    """Return the plain value of a YAML text.

    Raises:
        ValueError: Not YAML, a tag, a key that occurs twice, or beyond the limits of this module and of
            `check_plain`.
    """
    if len(text) > LARGEST_YAML:
        raise ValueError(f"larger than {LARGEST_YAML} bytes, which no file of this kind is")
    try:
        value = yaml.load(text, _PlainLoader)
    except RecursionError:  # of aliases that refer to each other
        raise ValueError(f"not YAML: nested deeper than {DEEPEST} levels") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: such as a date that does not exist
        raise ValueError(f"not YAML: {shortened(error)}") from None
    check_plain(value, MOST_VALUES)
    return value


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """The safe loader without tags and with limits."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = self._aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self._aliases += 1
        elif event.tag is not None:
            raise _error(f"found the tag {shown(event.tag)}, expected plain values", event)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _error(f"nested deeper than {DEEPEST} levels", event)
        self._nodes += 1
        if self._nodes > MOST_NODES or self._aliases > MOST_ALIASES:
            raise _error(f"more than {MOST_NODES} values or {MOST_ALIASES} aliases", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _error(f"the key {shown(key.value)} occurs twice", key)
                seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_MERGED:
            raise _error(f"a mapping of more than {_MOST_MERGED} keys", node)


def _error(text: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, text, where.start_mark)
