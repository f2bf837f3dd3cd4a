"""YAML that is read alike by every reader."""

from __future__ import annotations

from typing import Any

import yaml

from master.yaml_file.scalars import is_yaml_1_2_number


class _Dumper(yaml.SafeDumper):
    pass


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 takes for something else; 0E0 is a text there, and a number in YAML 1.2.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if is_yaml_1_2_number(text) else None)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(content: dict[str, Any]) -> str:
    """`content` as a YAML document, keys in their order. Text that some reader takes for a number is quoted."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
