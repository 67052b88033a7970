"""Whom a node believes changes only by keys that it believed before, however long it was away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_data.errors import GhallaError, KeeperError, PersonError, PublisherError
from sync import roots
from sync.keys import SecretKey
from sync.roots import (
    SignedRoot,
    next_root,
    parse_signed,
    read_chain,
    root_of,
    trust_first,
    update_root,
    walk,
    write_chain,
)
from tests.bundling import OTHER, PUBLISHER, ROOT_A, ROOT_B, ROOT_C, STRANGER, root, signed_root


def code_of(action: Any, *words: Any) -> str:
    with pytest.raises(GhallaError) as caught:
        action(*words)
    return caught.value.code


def test_one_key_of_two_is_replaced_with_signatures_of_both_roots() -> None:
    new = root(2, (ROOT_A, ROOT_C))
    next_root(root(), signed_root(new, ROOT_A, ROOT_B, ROOT_C))
    for too_few in ((ROOT_A, ROOT_B), (ROOT_A, ROOT_C), (ROOT_C,), (ROOT_B, ROOT_C)):
        assert code_of(next_root, root(), signed_root(new, *too_few)) == "root_unsigned"


def test_strangers_and_one_key_twice_do_not_count() -> None:
    stolen = root(2, (STRANGER, ROOT_C))
    assert code_of(next_root, root(), signed_root(stolen, STRANGER, ROOT_C)) == "root_unsigned"
    signed = signed_root(root(2), ROOT_A)
    doubled = replace(signed, signatures={**signed.signatures, ROOT_B.public.id:
                                          signed.signatures[ROOT_A.public.id]})  # fmt: skip
    assert code_of(next_root, root(), doubled) == "root_unsigned"


def test_roots_go_up_one_by_one() -> None:
    assert code_of(next_root, root(2), signed_root(root(2))) == "root_old"
    assert code_of(next_root, root(2), signed_root(root(1))) == "root_old"
    assert code_of(next_root, root(2), signed_root(root(4))) == "root_gap"


def chain_of(length: int) -> list[SignedRoot]:
    """Every step replaces the older of two keys."""
    keys = [SecretKey(bytes([n, 77] * 16)) for n in range(length + 1)]
    chain = [signed_root(root(1, (keys[0], keys[1])), keys[0], keys[1])]
    for n in range(1, length):
        chain.append(signed_root(root(n + 1, (keys[n], keys[n + 1])), *keys[n - 1 : n + 2]))
    return chain


def test_a_node_that_was_away_steps_through_the_chain_in_any_order(tmp_path: Path) -> None:
    chain = chain_of(30)
    trust_first(tmp_path, chain[0])
    assert update_root(tmp_path, list(reversed(chain))).root.version == 30
    kept = root_of(tmp_path)
    assert kept is not None
    assert kept.text == chain[-1].text
    assert update_root(tmp_path, chain).root.version == 30, "what it has seen changes nothing"


def test_a_bad_link_stops_the_chain_and_what_came_before_stays(tmp_path: Path) -> None:
    chain = chain_of(6)
    trust_first(tmp_path, chain[0])
    forged = signed_root(root(4, (STRANGER, OTHER)), STRANGER, OTHER)
    assert code_of(update_root, tmp_path, [*chain[:3], forged]) == "root_unsigned"
    kept = root_of(tmp_path)
    assert kept is not None
    assert kept.root.version == 3
    assert code_of(update_root, tmp_path, chain[4:]) == "root_gap"


def test_the_first_root_is_given_once(tmp_path: Path) -> None:
    assert root_of(tmp_path) is None
    assert code_of(update_root, tmp_path, [signed_root()]) == "no_root"
    assert code_of(trust_first, tmp_path, signed_root(root(), ROOT_A)) == "root_unsigned"
    trust_first(tmp_path, signed_root())
    trust_first(tmp_path, signed_root())
    other = signed_root(root(publisher=OTHER))
    with pytest.raises(PersonError) as error:
        trust_first(tmp_path, other)
    assert error.value.code == "root_there"


@pytest.mark.parametrize("harm", [b"", b"{", b"[]", b"\xff", b'{"root": 1, "signatures": {}}'])
def test_a_damaged_root_is_named_and_nothing_is_believed(tmp_path: Path, harm: bytes) -> None:
    trust_first(tmp_path, signed_root())
    (tmp_path / "trust" / "root.json").write_bytes(harm)
    with pytest.raises(KeeperError) as error:
        root_of(tmp_path)
    assert error.value.code == "bad_trust"


def test_a_root_changed_on_the_disk_is_not_believed(tmp_path: Path) -> None:
    trust_first(tmp_path, signed_root())
    path = tmp_path / "trust" / "root.json"
    path.write_text(
        path.read_text().replace(PUBLISHER.public.line, STRANGER.public.line), encoding="utf-8"
    )
    assert code_of(root_of, tmp_path) == "bad_trust"


BAD_WORDS = [
    {"version": 0},
    {"version": True},
    {"version": 1 << 40},
    {"version": "1"},
    {"threshold": 0},
    {"threshold": 3},
    {"keys": []},
    {"keys": [ROOT_A.public.line] * 2},
    {"keys": ["ssh-ed25519 AAAA", ROOT_A.public.line]},
    {"keys": 7},
    {"roles": {"everything": []}},
    {"roles": {"model": ["x"]}},
    {"roles": []},
    {"expires": "2020-01-01"},
]


@pytest.mark.parametrize("words", BAD_WORDS)
def test_a_root_of_other_words_is_none(words: dict[str, Any]) -> None:
    text = json.dumps(json.loads(root().text) | words)
    assert code_of(parse_signed, {"root": text, "signatures": {}}) == "bad_root"


@pytest.mark.parametrize(
    "raw",
    [None, 1, {}, {"root": "[" * 60_000, "signatures": {}}, {"root": "{}", "signatures": {}},
     {"root": "x" * 100_000, "signatures": {}}, {"root": root().text, "signatures": {"a": "?"}},
     {"root": root().text, "signatures": {str(n): "" for n in range(100)}}],
)  # fmt: skip
def test_what_is_no_root_is_refused(raw: Any) -> None:
    with pytest.raises(PublisherError) as error:
        parse_signed(raw)
    assert error.value.code == "bad_root"


def test_a_chain_is_read_as_it_was_written(tmp_path: Path) -> None:
    chain = chain_of(3)
    write_chain(tmp_path / "roots.json", chain)
    assert [each.text for each in read_chain(tmp_path / "roots.json")] == [c.text for c in chain]
    assert code_of(read_chain, tmp_path / "none.json") == "no_such_file"
    (tmp_path / "big.json").write_bytes(b" " * (roots._MOST_CHAIN * 4096 + 2))
    assert code_of(read_chain, tmp_path / "big.json") == "bad_root"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_change_of_a_signed_root_is_believed(data: st.DataObject) -> None:
    signed = signed_root(root(2))
    raw = json.dumps(signed.as_json()).encode()
    at = data.draw(st.integers(0, len(raw) - 1))
    harmed = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    try:
        parsed = parse_signed(json.loads(harmed))
    except (ValueError, PublisherError):
        return
    reached, _ = walk(signed_root(), [parsed])
    # Only what says and proves the very same may pass (white space, the spelling of base64).
    assert reached.root.version == 1 or reached.text == signed.text
