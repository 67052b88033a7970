"""Does a model folder work on this machine?  Load, warm up, golden samples, and a photo as asked.

``python -m models.probe FOLDER`` prints the findings as JSON.  :func:`probe_apart` runs that in a
process of its own, so that a graph that crashes, hangs or eats the memory harms nobody else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from field_data.errors import PublisherError
from models.counting_manifest import KIND as DETECTOR
from models.manifest import LEAF_CLASSIFIER, read_header
from models.yield_manifest import KIND as YIELD

if TYPE_CHECKING:
    from models.diagnosis import Diagnoser
    from models.golden import Run
    from models.manifest import Manifest
    from models.runtime import Outputs

Findings = dict[str, Any]
Probe = Callable[[Path], Findings]
# Processor time, so that a busy machine is no reason: a third of a second for both variants of the
# shipped model on a PC, so a Raspberry Pi 4 has room for a model several times as large.
_MAX_S = 30.0
# After this the probe is taken for hung, however busy the machine.
_APART_S = 300.0


def probe_leaf(folder: Path) -> Findings:
    """Load a leaf classifier and hold every variant against its golden samples.

    Returns:
        variant: file that was the fastest here; load_s and golden_s: seconds of processor time;
        off: variant to :func:`models.golden.farthest`.

    Raises:
        PublisherError: ``model_missing``, ``model_corrupt``, ``bad_manifest``, ``golden_bad``,
            ``golden_differs`` or ``model_slow``.
    """
    from models.diagnosis import Diagnoser
    from models.manifest import checked_bytes
    from models.runtime import OnnxModel

    started = time.process_time()
    reader = Diagnoser(folder)
    loaded = time.process_time()
    manifest, off = reader.manifest, {}
    for variant in sorted({"fp32", "int8"} & set(manifest.files)):
        data = checked_bytes(folder, manifest.files[variant])
        model = OnnxModel(data, manifest.px, len(manifest.labels))
        off[variant] = round(_hold(folder, reader, model.run, variant), 5)
    spent = time.process_time() - loaded
    if spent > _MAX_S:
        raise PublisherError("model_slow", f"the golden samples took {spent:.0f} s")
    return {
        "variant": reader.variant,
        "load_s": round(loaded - started, 3),
        "golden_s": round(spent, 3),
        "off": off,
    }


def probed_diagnoser(folder: Path) -> Diagnoser:
    """A diagnoser that has answered its golden samples, with the variant it chose; raises as above.

    For the node, which wants the object and has had the rest probed at installation.
    """
    from models.diagnosis import Diagnoser

    reader = Diagnoser(folder)
    files = reader.manifest.files
    variant = next(key for key, part in files.items() if part.file == reader.variant)
    _hold(folder, reader, reader.run, variant)
    return reader


def _hold(folder: Path, reader: Diagnoser, run: Run, variant: str) -> float:
    """How far a variant is off; then neighbours and a whole answer are tried."""
    from models.golden import check_golden, draw, read_golden
    from models.manifest import checked_bytes
    from models.preprocess import kept_jpeg

    manifest = reader.manifest
    if "golden" not in manifest.files:
        raise PublisherError("golden_bad", f"{folder} has no golden samples")
    golden = read_golden(checked_bytes(folder, manifest.files["golden"]))
    try:
        said, far = check_golden(run, variant, manifest, golden)
        _check_shapes(folder, manifest, said)
        # As farmers ask: JPEGs, as many as one plant may have.
        photos = [("probe", kept_jpeg(draw(seed, 480)[:, :, ::-1].copy())) for seed in range(6)]
        reader.read(photos, None, keep=False)
    except PublisherError:
        raise
    except Exception as error:  # onnxruntime and numpy raise a dozen unrelated types
        raise PublisherError("model_corrupt", f"the model fails when it runs: {error}") from error
    return far


def _check_shapes(folder: Path, manifest: Manifest, said: Outputs) -> None:
    from models.manifest import checked_bytes
    from models.neighbours import read_neighbours

    if said.gate.shape[1:] != (3,):
        raise PublisherError("bad_manifest", f"the model's gate is {said.gate.shape}, not 3 wide")
    bank = read_neighbours(checked_bytes(folder, manifest.files["neighbours"]))
    for crop in sorted(manifest.crops):
        if not bank.similarity(said.embedding, crop).any():
            raise PublisherError("model_corrupt", f"the neighbours know no photo of {crop}")


def probe_detector(folder: Path) -> Findings:
    """Load a counter with both variants and let it look at a drawn photo as every kind of trap.

    Raises:
        PublisherError: as :class:`models.counting.Counter`, or ``model_slow``.
    """
    from models import golden, preprocess
    from models.counting import Counter

    started = time.process_time()
    reader = Counter(folder)
    loaded = time.process_time()
    drawn = preprocess.kept_jpeg(golden.samples(256)[0])
    for trap in reader.manifest.thresholds.traps:
        reader.read(drawn, trap)
    spent = time.process_time() - loaded
    if spent > _MAX_S:
        raise PublisherError("model_slow", f"two photos took {spent:.0f} s")
    return {"variant": reader.variant, "load_s": round(loaded - started, 3),
            "photos_s": round(spent, 3)}  # fmt: skip


def probe_yield(folder: Path) -> Findings:
    """Load a yield model and let it speak of seasons without a clear date, usual and extreme.

    Raises:
        PublisherError: as :meth:`models.yield_model.YieldModel.load`, or ``model_corrupt``.
    """
    import numpy as np

    from field_data.types import HORIZONS
    from models.yield_model import YieldModel

    started = time.process_time()
    model = YieldModel.load(folder)
    loaded = time.process_time()
    ends = (model.manifest.least, model.manifest.most)
    rows = np.array([np.full(len(ends[0]), np.nan), np.zeros(len(ends[0])), *ends], np.float32)
    for horizon in HORIZONS:
        if not np.isfinite(model.shift(rows, horizon)).all():
            raise PublisherError("model_corrupt", f"the model knows no answer for {horizon}")
    return {"variant": model.manifest.files["fp32"].file, "load_s": round(loaded - started, 3),
            "rows_s": round(time.process_time() - loaded, 3)}  # fmt: skip


# By the manifest's kind.
PROBES: dict[str, Probe] = {
    LEAF_CLASSIFIER: probe_leaf,
    DETECTOR: probe_detector,
    YIELD: probe_yield,
}


def probe(folder: Path, probes: Mapping[str, Probe] = PROBES) -> Findings:
    """The findings of the probe for the kind of model in ``folder``.

    Raises:
        PublisherError: ``model_kind_unknown``, or what the probe says.
    """
    kind = read_header(folder).kind
    if kind not in probes:
        raise PublisherError("model_kind_unknown", f"this node has no use for a {kind}")
    return probes[kind](folder)


def probe_apart(folder: Path, timeout_s: float = _APART_S) -> Findings:
    """:func:`probe` in a process of its own.

    Raises:
        PublisherError: what the probe says; ``model_crashed`` (with the signal) or ``model_slow``.
    """
    command = [sys.executable, "-m", "models.probe", str(folder.absolute())]
    root = str(Path(__file__).parents[1])
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter on our own module
            command, cwd=root, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PublisherError(
            "model_slow", f"the probe did not end within {timeout_s:.0f} s"
        ) from error
    lines = done.stdout.splitlines()
    try:
        said: Findings = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
        raise PublisherError("model_crashed", f"the probe died ({how})") from error
    if "error" in said:
        raise PublisherError(said["error"], said["message"])
    return said


def _first_to_go() -> None:
    """Ask the kernel to kill this process, not the node, when the memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Command line: ``python -m models.probe FOLDER``."""
    _first_to_go()
    try:
        said = probe(Path(sys.argv[1]))
    except PublisherError as error:
        said = {"error": error.code, "message": str(error)}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
