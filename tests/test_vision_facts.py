"""Vision's transforms beside torchvision: names, arguments, values, draws, reprs and refusals, as they were measured on it (`reference/vision/facts.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from planting import plant

import minitorch
import minitorch.vision
from reference.vision import calls, measure, running

pytestmark = pytest.mark.outside

FACTS = json.loads(measure.FACTS.read_text(encoding="utf-8"))

NOT_HERE = {  # names of torchvision
    "utils.draw_bounding_boxes": "it draws with fonts and belongs to detection, which is not here",
    "utils.draw_keypoints": "as above",
    "utils.draw_segmentation_masks": "as above",
    "utils.flow_to_image": "optical flow is not here",
}
# Calls by their number, whose answers differ.
OTHERWISE = {
    74: "nearest: a coefficient of the perspective that is 0 is 1e-17 here and there, and a place lies on the border of two pixels",
    142: "resized bytes are rounded from float32: the value of one pixel is on the border of two numbers",
    287: "a tensor resized to width 1 with antialiasing is wrong in torch: each row is of the first rows' pixels",
    350: "the perspective's coefficients differ by their rounding, and whole numbers are rounded from it",
    362: "as above",
    706: "mode I;16 is uint16, which this library does not have",
}
# Mistakes by their number, of which something else is said, and why that stays.
REFUSED_OTHERWISE = {
    1: "a negative size is refused",
    184: "a padding of True is refused in every mode",
    230: "None is no dtype",
    235: "a str as a size is a TypeError everywhere",
    248: "bits must be a number",
    268: "an image of one dimension is told its shape",
    335: "a negative size is refused",
    343: "an empty fill is told as such: ValueError",
    384: "a str as a size is a TypeError everywhere",
    385: "bits must be a number",
}


def test_names_and_arguments_are_torchvisions() -> None:
    ours, theirs = measure.names(minitorch.vision), FACTS["names"]
    assert {name for name in theirs if name not in ours} == set(NOT_HERE)
    assert {name: ours[name] for name in ours if name in theirs} == {n: a for n, a in theirs.items() if n in ours}


def differs(call: calls.Call, fact: dict[str, Any]) -> str:
    """What of a call's outcome is not as torchvision's was; "" if nothing is."""
    ours = running.summary(call, minitorch, minitorch.vision)
    if "raised" in ours or "raised" in fact:
        return "" if ours == fact else f"{ours} and not {fact}"
    if len(ours["came"]) != len(fact["came"]) or ours["next"] != fact["next"]:
        return f"{ours} and not {fact}"
    return "".join(filter(None, map(_differs, ours["came"], fact["came"])))


def _differs(ours: Any, theirs: Any) -> str:
    if ours == theirs:
        return ""
    if isinstance(ours, list) and isinstance(ours[-1], list) and ours[:-1] == theirs[:-1]:
        there = np.array(theirs[-1])
        close = 1e-9 if ours[0].endswith("float64") else 1e-3 if ours[0].endswith("float16") else 2e-6
        if np.allclose(
            ours[-1], there, rtol=close, atol=close * max(1.0, abs(there[np.isfinite(there)]).max(initial=0)), equal_nan=True
        ):
            return ""
    return f"{ours} and not {theirs}"


def all_calls() -> Iterator[tuple[str, calls.Call, dict[str, Any]]]:
    for number, fact in FACTS["calls"].items():
        yield number, calls.call_of(int(number)), fact
    for k, fact in enumerate(FACTS["recipes"]):
        yield f"recipe {k}", calls.RECIPES[k], fact


def test_values_draws_and_reprs_are_torchvisions() -> None:
    different = {}
    for number, call, fact in all_calls():
        assert call["name"] == fact["name"], "the calls have changed since they were measured"
        why = differs(call, fact)
        if why:
            different[number] = f"{call}: {why}"
    assert {k: v for k, v in different.items() if k not in map(str, OTHERWISE)} == {}


def test_mistakes_are_refused_as_by_torchvision() -> None:
    different = {}
    for number, theirs in enumerate(FACTS["spoilt"]):
        call = calls.spoilt_call(number)
        how, came = running.outcome(call, minitorch, minitorch.vision)
        ours = came if how == "raised" else ""
        if ours != theirs:
            different[number] = f"{call}: {ours or 'it came'}, and not {theirs or 'what came'}"
    assert {k: v for k, v in different.items() if k not in REFUSED_OTHERWISE} == {}
    assert set(different) == set(REFUSED_OTHERWISE)


# ---- faults: each makes a call differ from what was measured ----

FAULTS = [
    ("_colour", "rgb_to_grayscale", "0.587 * g", "0.589 * g", "rgb_to_grayscale"),
    ("_colour", "_blend", "1.0 - ratio", "1.0 + ratio", "adjust_contrast"),
    ("_colour", "_hsv", "4.0 + to_g", "4.0 - to_g", "adjust_hue"),
    ("_colour", "_equalized", "step // 2", "step // 3", "equalize"),
    ("_ranges", "convert_image_dtype", "1.0 - 1e-3", "1.0", "convert_image_dtype"),
    ("_functional_tensor", "resize", "size=list(size)", "size=list(size)[::-1]", "resize"),
    ("_functional_tensor", "_gaussian", "0.5 * (x", "0.6 * (x", "gaussian_blur"),
    ("_functional_tensor", "_mirrored", "range(before)", "range(1, before + 1)", "pad"),
    ("_functional_tensor", "_inside", "- before - (", "- (", "crop"),
    ("_warp", "_affine_grid", "(1 - h) / 2", "(-h) / 2", "rotate"),
    ("_warp", "_sample", "mask < 0.5", "mask > 0.5", "rotate"),
    ("_warp", "_holding_all", ").floor()", ").ceil()", "rotate"),
    ("_warp", "inverse_affine_matrix", "+ cy]", "]", "affine"),
    ("_conversion", "to_tensor", "_DTYPES.get(pic.mode, np.uint8)", "np.uint8", "to_tensor"),
    ("_functional_pil", "adjust_hue", "% 256", "% 255", "adjust_hue"),
    ("_draws", "area_and_ratio", "minitorch.log(", "(", "RandomResizedCrop"),
    ("_crops", "RandomCrop.get_params", "below(W - w + 1)", "below(W - w + 1) * 0", "RandomCrop"),
    ("_crops", "RandomResizedCrop.get_params", "range(10)", "range(9)", "RandomResizedCrop"),
    ("_turns", "RandomAffine.get_params", "len(shears) == 4", "len(shears) == 2", "RandomAffine"),
    ("_jitter", "ColorJitter.get_params", "minitorch.randperm(4)", "minitorch.arange(4)", "ColorJitter"),
    ("_jitter", "RandomErasing.get_params", "area / aspect", "area * aspect", "RandomErasing"),
    ("_jitter", "GaussianBlur.forward", "self.sigma[0], self.sigma[1]", "self.sigma[1], self.sigma[1]", "GaussianBlur"),
]


@pytest.mark.parametrize(("file", "function", "piece", "broken", "name"), FAULTS, ids=[f"{f[1]} {f[3]}" for f in FAULTS])
def test_a_planted_fault_is_noticed(
    monkeypatch: pytest.MonkeyPatch, file: str, function: str, piece: str, broken: str, name: str
) -> None:
    asked = [
        (call, fact) for number, call, fact in all_calls() if call["name"] == name and number not in map(str, OTHERWISE)
    ]
    asked += [(call, fact) for number, call, fact in all_calls() if number.startswith("recipe")]
    minitorch.vision.transforms.functional.to_pil_image(
        np.zeros((1, 1), np.uint8)
    )  # Pillow's half is imported by its first image
    plant(monkeypatch, f"vision.transforms.{file}", function, piece, broken)
    assert any(differs(call, fact) for call, fact in asked)
