"""A scenario's values mean the same in every version of YAML, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from master.errors import InputError
from master.yaml_file.document import read_document
from master.yaml_file.scalars import ScalarError, plain_scalar


def read(folder: Path, scalar: str) -> object:
    """Return what a file's value `scalar` is read as."""
    file = folder / "one.yml"
    file.write_text(f"a: {scalar}\n", encoding="utf-8")
    document = read_document(file)
    document.raise_faults()
    assert isinstance(document.data, dict)
    return document.data["a"]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("40", 40),
        ("+40", 40),
        ("-40", -40),
        ("0", 0),
        ("2.5", 2.5),
        ("-2.5", -2.5),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.5e+3", 1500.0),
        ("1.0e-05", 0.00001),
        ("true", True),
        ("False", False),
        ("!!int 40", 40),
        ("!!float 40", 40.0),
        ("no plain word", "no plain word"),
        ("n", "n"),
        ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        ("1:3000", "1:3000"),
        ("=", "="),
        ("'010'", "010"),
        ('"1e3"', "1e3"),
        ("'no'", "no"),
        ("!!str 010", "010"),
        ("|-\n  0x1f", "0x1f"),
    ],
)
def test_what_everyone_reads_alike_is_read(tmp_path: Path, scalar: str, value: object) -> None:
    """A value that all readers of YAML agree on is read with its type, as text where quotes or a tag say so."""
    found = read(tmp_path, scalar)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "scalar",
    [
        "0100", "010", "00", "-010", "09", "010.5", "0o17", "0x1f", "-0x1f", "0b101", "1_000", "1_0.5", "1:30", "-1:30", "1:30.5", "20:30:40",
        "1e3", "1.5e3", "4E1", "1e999", "-.5", "+.5", ".inf", "+.inf", "-.Inf", ".NaN", ".nan",
        "!!int 010", "!!int 1.5", "!!int x", "!!float 1e3", "!!float .inf", "!!float x",
    ],
)  # fmt: skip
def test_a_number_that_is_no_plain_decimal_is_refused_with_its_line(tmp_path: Path, scalar: str) -> None:
    """A number that is no plain decimal is refused with its line, since YAML versions disagree: 0100 is 64 or 100, 1:30
    is 90 or text.
    """
    with pytest.raises(InputError) as caught:
        read(tmp_path, scalar)
    assert caught.value.message.startswith(
        f"{tmp_path / 'one.yml'}:1: a: '{scalar.rsplit(maxsplit=1)[-1]}' is no plain decimal"
    )


@pytest.mark.parametrize("scalar", ["yes", "No", "ON", "off", "!!bool yes", "!!bool maybe"])
def test_a_word_that_is_yes_or_no_to_some_is_refused(tmp_path: Path, scalar: str) -> None:
    """A word that some versions of YAML read as true or false is refused, with how to write text and truth values."""
    with pytest.raises(
        InputError, match="means yes or no to some, and is text to others: write true or false, or quote"
    ):
        read(tmp_path, scalar)


@pytest.mark.parametrize(
    ("scalar", "says"),
    [
        ("-0", "-0 is a negative zero: write 0"),
        ("-0.0", "-0.0 is a negative zero"),
        ("1.0e+999", "'1.0e+999' is more than a number can be"),
        ("9" * 9000, "a number of 9000 characters"),
        ("0x" + "f" * 9000, "a number of 9002 characters"),
        ("1" + ":10" * 1000, "a number of 3001 characters"),
        ("~", "is empty"),
        ("null", "is empty"),
        ("!!binary aGk=", r"tags (!binary) are not supported"),
    ],
)
def test_what_no_number_can_be_is_refused_in_one_short_line(tmp_path: Path, scalar: str, says: str) -> None:
    """A value that is no valid number is refused in one short line, however long the value is."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, scalar)
    assert says in caught.value.message
    assert len(caught.value.message) < len(str(tmp_path)) + 150


@pytest.mark.parametrize("key", ["010", "1e3", "no", "0x1f", "2026-01-01", "true", "~", "1:30"])
def test_a_key_that_is_no_text_to_everyone_is_refused_and_as_quoted_text_taken(tmp_path: Path, key: str) -> None:
    file = tmp_path / "one.yml"
    file.write_text(f"{key}: 1\n")
    with pytest.raises(InputError, match="as a key"):
        read_document(file).raise_faults()
    file.write_text(f"'{key}': 1\n")
    assert read_document(file).data == {key: 1}


@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number > 0) | st.integers(0, 10**300))
def test_a_number_that_pyyaml_writes_is_read_back(number: float) -> None:
    """A number that PyYAML writes is read back, since PyYAML writes the scenario as run."""
    text = yaml.safe_dump(number).split("\n")[0]
    assert plain_scalar(text, "float" if isinstance(number, float) else "int", quoted=False) == number


@given(st.text("0123456789+-._eExob:", min_size=1, max_size=8))
def test_a_number_is_read_as_python_and_people_read_it(text: str) -> None:
    """Any text that is accepted as a number is a plain decimal of the same value in Python."""
    (kind,) = {yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False)).rpartition(":")[2]}
    try:
        value = plain_scalar(text, kind, quoted=False)
    except ScalarError:
        return
    if isinstance(value, int | float):
        assert value == float(text)
        assert not any(letter in text for letter in "xob:_")
