"""One target in a process of its own: ``python -m tests.fuzz.one TARGET CASES CORPUS``.

With atheris the cases follow the coverage of our code; without, they are mutations of the corpus.
A case that fails is written beside the corpus as ``crash-…`` and ends the process with 1.
"""

from __future__ import annotations

import hashlib
import random
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

OURS = ["field_data", "sync", "sat_ingest", "models", "edge_app"]
SEED = 20
# A case that takes longer is a fault of its own: it would hold up a node.
MOST_S = 20


def guided(name: str, cases: int, corpus: Path) -> None:
    """Coverage-guided; never returns."""
    import atheris  # type: ignore[import-untyped,unused-ignore]

    with atheris.instrument_imports(include=OURS):
        from tests.fuzz.targets import TARGETS

        target = TARGETS[name]
        seeds = target.seeds()
        # What a target imports when it first runs must be seen as well.
        for data in seeds:
            target.run(data)
        _seed(seeds, corpus)
    options = [
        f"-runs={cases}",
        f"-timeout={MOST_S}",
        f"-seed={SEED}",
        "-max_len=16384",
        "-rss_limit_mb=2048",
        "-verbosity=0",
        "-print_final_stats=1",
        f"-artifact_prefix={corpus.parent}/{name}-",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run)
    atheris.Fuzz()


def plain(name: str, cases: int, corpus: Path) -> int:
    """Mutations of the corpus; 1 where one failed."""
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    _seed(target.seeds(), corpus)
    known = [path.read_bytes() for path in sorted(corpus.iterdir())]
    for data in mutated(known, cases, random.Random(SEED)):
        try:
            target.run(data)
        except Exception:
            traceback.print_exc()
            case = corpus.parent / f"{name}-crash-{hashlib.sha1(data).hexdigest()}"
            case.write_bytes(data)
            return 1
    print(f"stat::number_of_executed_units: {cases}", file=sys.stderr)
    return 0


def mutated(known: list[bytes], cases: int, rng: random.Random) -> Iterator[bytes]:
    """``cases`` changes of what is known."""
    from tests.hostile_segments import cut_up

    for _ in range(cases):
        yield cut_up(rng, rng.choice(known))


def _seed(seeds: Sequence[bytes], corpus: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    for data in seeds:
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main() -> int:
    name, cases, corpus = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    try:
        import atheris  # noqa: F401
    except ImportError:
        return plain(name, cases, corpus)
    guided(name, cases, corpus)
    return 0


if __name__ == "__main__":
    sys.exit(main())
