"""``python -m sync.train_dictionary --content edge_app/content --version N``: make a dictionary.

It writes ``sync/dictionaries/N.zdict`` and ``N.json`` and never over a version that is there.  Made
from the shipped forms (layouts, made-up answers) and the codes of the advice cards, with a fixed
seed: the same command on the same sources and zstd gives the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard

from field_data.forms.definition import Form, Type
from field_data.forms.library import shipped_forms
from field_data.types import HEALTHY
from sync.cbor import dump
from sync.columns import Pool
from sync.dictionaries import FOLDER, MOST_VERSIONS, Dictionary, codes_of, layout_of
from sync.record_columns import items_of
from sync.training.samples import sample_batches

SEED, SAMPLES, MOST_BYTES = 20_260_201, 6_000, 4_096
# Of zstd's FASTCOVER: fixed, so that training does not search.
_K, _D = 64, 6


def main(arguments: Sequence[str]) -> int:
    """Train, write, say how large it became."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--content", type=Path, required=True, help="folder of the advice cards")
    parser.add_argument("--version", type=int, required=True)
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    path = chosen.out / f"{chosen.version}.zdict"
    if path.exists() or not 0 < chosen.version <= MOST_VERSIONS:
        parser.error(f"version {chosen.version} is there, or no number of a version")
    told = {"layouts": [*map(layout, all_forms())], "codes": codes(chosen.content)}
    trained = train(told)
    made = {"seed": SEED, "samples": SAMPLES, "k": _K, "d": _D, "zstd": zstd_version()}
    text = json.dumps({"made": made, **told}, ensure_ascii=False, indent=1)
    path.with_suffix(".json").write_text(f"{text}\n", "utf-8")
    path.write_bytes(trained)
    print(f"{path}: {len(trained)} bytes")
    return 0


def all_forms() -> list[Form]:
    """Every version of every shipped form."""
    forms = shipped_forms()
    return [version for form in forms.current() for version in forms.versions(form.id)]


def layout(form: Form) -> dict[str, Any]:
    """What `sync.dictionaries.layout_of` reads."""
    questions = [
        [q.id, str(q.type), {choice.key: choice.wire for choice in q.choices}]
        for q in form.questions.values()
        if q.type is not Type.NOTE and not q.private
    ]
    return {"form": form.id, "version": form.version, "questions": questions}


def codes(content: Path) -> list[str]:
    """``healthy``, the crops, the conditions of the cards; those without a card get no number."""
    crops = tomllib.loads((content / "crops.toml").read_text("utf-8"))["crop"]
    cards = [
        card
        for path in sorted((content / "cards").glob("*.toml"))
        for card in tomllib.loads(path.read_text("utf-8"))["card"]
    ]
    conditions = sorted({card["condition"] for card in cards} - {HEALTHY})
    return [HEALTHY, *(crop["code"] for crop in crops), *conditions]


def train(told: dict[str, Any]) -> bytes:
    """A zstd dictionary of what the columns of made-up batches have in common."""
    known = codes_of(told["codes"])
    bare = Dictionary(1, b"", tuple(map(layout_of, told["layouts"])), known)
    batches = itertools.islice(sample_batches(all_forms(), known.names, SEED), SAMPLES)
    samples: list[bytes | bytearray | memoryview] = [
        dump(items_of(batch, bare, Pool())) for batch in batches
    ]
    trained = zstandard.train_dictionary(MOST_BYTES, samples, k=_K, d=_D, level=19, dict_id=1 << 16)
    return trained.as_bytes()


def zstd_version() -> str:
    """Of the library that trains."""
    return ".".join(map(str, zstandard.ZSTD_VERSION))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
