"""Hosts that a locustfile names, and that none of them may be a payment service."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.project.checks.import_checks import Imported, import_observed
from master.project.checks.named_addresses import find_mentions, mentions_in
from master.project.checks.source_checks import Source
from master.scenario import LocustProject
from master.services.addresses import parse_address
from master.services.payment.rules import PaymentServices, canonical_host, find_payment_mentions

PAYMENT = PaymentServices(
    {
        "pay": parse_address("https://pay.example:8443"),
        "local": parse_address("http://127.0.0.1:8090"),
        "books": parse_address("https://xn--bcher-kva.example"),
    },
    {"TEST_PAY_URL": "pay"},
    {"ELSEWHERE": "https://nile.trongrid.io/x", "HERE": "http://127.0.0.1:8080"},
)


def found_in(text: str) -> list[str]:
    source = Source(Path("users.py"), ast.parse(text))
    return find_payment_mentions(mentions_in(source), PAYMENT)


@pytest.mark.parametrize(
    "text",
    [
        "get('https://nile.trongrid.io/wallet')",
        "get('HTTPS://u:p@API.TronGrid.io.:443/x')",
        "get(b'//api.trongrid.io/x')",
        "connect('nile.trongrid.io')",
        "get('https://' + 'nile.' + 'trongrid.io' + path)",
        "HOST = 'pay.example:8443'\nget(f'https://{HOST}/{path}')",
        "class Config:\n    port = 8443\nget(f'https://pay.example:{Config.port}/')",
        "get(f'{scheme}://pay.example/x')",
        "get(f'https://pay.example:{port}/')",
        "get('see https://pay.example:8443/a and more')",
        "get('http://localhost:8090')",
        "get('http://127.1:8090/x')",
        "get('http://[::ffff:127.0.0.1]:8090/x')",
        "get('http://2130706433:8090')",
        "get('http://0.0.0.0:8090')",
        "PORT = 8090\nget(f'http://127.0.0.1:{PORT}/x')",
        "get('https://\uff4eile.trongrid.io')",
        "get('https://nile\u3002trongrid\uff61io')",
        "get('https://ni\u00adle.tron\u200bgrid.io')",
        "get('https://nile%2Etrongrid.io')",
        "get('https://nile.tron\\tgrid.io')",
        r"get(r'https://nile.trongrid.io\@127.0.0.1/')",
        r"get(r'https:\\nile.trongrid.io/')",
        "get('https://a@b@nile.trongrid.io/')",
        "get('https://u p@nile.trongrid.io/')",
        f"get('https://u:{'p' * 600}@nile.trongrid.io/')",
        "get('https://pay.example:0008443/')",
        "get('https://b\u00fccher.example')",
        "os.environ['TEST_PAY_URL']",
        "os.getenv('TEST_PAY_URL', '')",
        "parser.add_argument('--pay', env_var='ELSEWHERE')",
    ],
)
def test_an_address_of_payment_is_found_however_it_is_written(text: str) -> None:
    """As a whole, put together of pieces, by another name of the same address, or by its environment variable."""
    found = found_in(text)
    assert found, text
    assert all(row.endswith("payment is never put under load") for row in found)
    assert all(":p@" not in row for row in found)


@pytest.mark.parametrize(
    "text",
    [
        '"""Users of https://pay.example:8443, without paying."""',
        "def pay():\n    'Not https://nile.trongrid.io.'\n",
        "# https://nile.trongrid.io\nget('/pay')",
        "get('https://pay.example:9443/other')",
        "get('https://pay.example/other')",
        "get('http://127.0.0.1:8080')",
        "PORT = 8090\nPORT = 8091\nget(f'http://127.0.0.1:{PORT}')",
        "get('https://nottrongrid.io')",
        "get('https://trongrid.io.example')",
        "os.environ['HERE']",
        "version = '1.2'\nat = '12:30'\nword = 'localhost'",
    ],
)
def test_what_is_no_payment_is_left_alone(text: str) -> None:
    """Text that only explains, other ports, other hosts, and what can't be known."""
    assert found_in(text) == []


def test_each_place_is_named_by_file_and_line() -> None:
    """All places at once, in order."""
    rows = found_in("a = 1\nget('https://nile.trongrid.io')\nget('http://127.0.0.1:8090')\n")
    assert rows == [
        "users.py:2: nile.trongrid.io:443 is a public node of TRON: payment is never put under load",
        "users.py:3: 127.0.0.1:8090 is the payment service 'local': payment is never put under load",
    ]


def project(folder: Path, **files: str) -> Imported:
    for stem, text in files.items():
        (folder / f"{stem}.py").write_text(text)
    return import_observed(LocustProject(folder, (folder / "locustfile.py",)))


def test_modules_beside_the_locustfile_are_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that it imports at once, and those that a user imports when it runs, with what these import."""
    monkeypatch.syspath_prepend(tmp_path)
    imported = project(
        tmp_path,
        locustfile="import now_of_payment\nfrom locust import User\nclass One(User):\n    def pay(self):\n        import later_of_payment\n",
        now_of_payment="URL = 'https://pay.example:8443'\n",
        later_of_payment="import last_of_payment\n",
        last_of_payment="\n\nURL = 'https://nile.trongrid.io'\n",
    )
    rows = find_payment_mentions(find_mentions(imported), PAYMENT)
    assert [row.partition(" is ")[0] for row in rows] == [
        f"{tmp_path / 'now_of_payment.py'}:1: pay.example:8443",
        f"{tmp_path / 'last_of_payment.py'}:3: nile.trongrid.io:443",
    ]


def test_the_host_of_a_class_counts_however_it_was_come_by(tmp_path: Path) -> None:
    """At the line that gives it, where its text does not stand in the source."""
    text = "from locust import User\n\nclass One(User):\n    host = ''.join(['https://pay.', 'example:8443'])\n"
    rows = find_payment_mentions(find_mentions(project(tmp_path, locustfile=text)), PAYMENT)
    assert [row.partition(" is ")[0] for row in rows] == [f"{tmp_path / 'locustfile.py'}:4: pay.example:8443"]


@given(text=st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    """Whatever a locustfile has in its strings."""
    source = Source(Path("users.py"), ast.Module([ast.Assign([ast.Name("x")], ast.Constant(text), lineno=1)], []))
    for node in ast.walk(source.tree):
        node.lineno = 1  # type: ignore[attr-defined]
    assert find_payment_mentions(mentions_in(source), PAYMENT) is not None
    assert canonical_host(text) == canonical_host(canonical_host(text))


@pytest.mark.parametrize("piece", ["a", "/", "//a", "a:", "@", "//a@", "1."])
def test_a_payload_of_a_megabyte_is_read(piece: str) -> None:
    """It does not take a time that grows with the square of its length, and what stands behind it is found."""
    text = piece * (1_000_000 // len(piece))
    assert len(found_in(f"x = {text!r}\nget({text + ' https://nile.trongrid.io'!r})\n")) >= 1


def test_a_text_of_many_pieces_is_read(tmp_path: Path) -> None:
    """However deep an expression is, what stands behind it is found."""
    file = tmp_path / "users.py"
    file.write_text("x = " + " + ".join(["'a'"] * 900) + "\nget('https://nile.trongrid.io')\n")
    source = Source.read(file)
    assert source is not None
    assert len(find_payment_mentions(mentions_in(source), PAYMENT)) == 1
