r"""Foreign text on the page: what can't be seen is made visible, for a name may turn the text around it or hide a part of itself.

Unlike `worker.printable`, it keeps ends of lines and the spaces that the page itself sets between a number and its unit.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Controls but tabs and ends of lines, marks that have no width or turn text (Unicode's Cf), other ends of lines, half characters."""


def visible(value: object) -> object:
    r"""`value`, with `\u202e` and its like spelled out where it is text; what is HTML already stays as it is."""
    if type(value) is not str or value.isprintable():
        return value
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], value)


def visible_in_json(text: str) -> str:
    r"""JSON whose texts have hidden characters spelled out, as a backslash and what follows; `text` has them as they are."""
    # A control character is never in JSON as it is; its escape, such as \u0000, shows nothing on the page and turns nothing.
    return text if text.isascii() else _HIDDEN.sub(lambda found: "\\" + ascii(found[0])[1:-1], text)
