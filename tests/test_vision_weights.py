"""Where trained weights come from: the folder, the hash in a file's name, enums, older arguments, networks by name."""

from __future__ import annotations

import copy
import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planting import plant

import minitorch
from minitorch import hub, nn
from minitorch.vision import models
from minitorch.vision.models import _api
from minitorch.vision.models._api import Weights, WeightsEnum, imagenet, model

pytestmark = pytest.mark.outside


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files of weights are looked for."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A builder of a small network, and two files of weights of it that torch wrote, in both of its formats; one file is absent."""
    monkeypatch.setattr(_api, "BUILDERS", dict(_api.BUILDERS))
    monkeypatch.setattr(_api, "ENUMS", dict(_api.ENUMS))
    urls = []
    for value, new_format in ((1.0, True), (2.0, False)):
        state = {"weight": torch.full((1000, 2), value), "bias": torch.zeros(1000)}
        torch.save(state, folder / "new.pth", _use_new_zipfile_serialization=new_format)
        name = f"small-{hashlib.sha256((folder / 'new.pth').read_bytes()).hexdigest()[:8]}.pth"
        (folder / "new.pth").rename(folder / name)
        urls.append(name)

    class Small_Weights(WeightsEnum):
        IMAGENET1K_V1 = imagenet(urls[0], 3000, 1.0, 5.0)
        IMAGENET1K_V2 = imagenet(urls[1], 3000, 1.0, 5.0, resize_size=232)
        ABSENT = imagenet("small-00000000.pth", 3000, 1.0, 5.0)
        DEFAULT = IMAGENET1K_V2

    @model(Small_Weights)
    def small(num_classes: int = 1000, bias: bool = True) -> nn.Linear:
        return nn.Linear(2, num_classes, bias)

    return small


def filled_with(network: Any) -> float:
    assert (network.weight == network.weight[0, 0]).all()
    return network.weight[0, 0].item()


# ---- the folder ----


def test_the_folder_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in ({}, {"XDG_CACHE_HOME": "/cache"}, {"XDG_CACHE_HOME": "/cache", "TORCH_HOME": "~/here"}):
        for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        assert hub.get_dir() == torch.hub.get_dir()
    monkeypatch.setattr(hub, "_chosen", None)
    hub.set_dir("~/elsewhere")
    assert hub.get_dir() == str(Path.home() / "elsewhere")


def test_a_file_that_is_not_there_is_asked_for(folder: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        models.resnet18(weights="DEFAULT")
    for said in (
        str(folder / "resnet18-f37072fd.pth"),
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        "TORCH_HOME",
    ):
        assert said in str(caught.value)


def test_a_file_is_found_under_the_name_and_in_the_folder_that_are_given(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "mine.pth")
    found = hub.load_state_dict_from_url(
        "https://somewhere/w-0000.pth?raw=1", tmp_path, file_name="mine.pth", check_hash=True
    )
    assert found["a"].tolist() == [1, 1]
    with pytest.raises(FileNotFoundError, match=r"w-0000\.pth is not there"):
        hub.load_state_dict_from_url("https://somewhere/w-0000.pth?raw=1", tmp_path)


def test_a_file_whose_hash_is_not_the_one_in_its_name_is_not_read(folder: Path) -> None:
    (folder / "resnet18-f37072fd.pth").write_bytes(b"half of a download")
    with pytest.raises(
        RuntimeError, match=r'invalid hash value \(expected "f37072fd", got "[0-9a-f]{64}"\).*download it again'
    ):
        models.resnet18(weights="IMAGENET1K_V1")


def test_a_file_runs_no_code(folder: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return print, ("harm",)

    data = pickle.dumps({"weight": Harm()}, 2)
    (folder / "evil.pth").write_bytes(data)
    for weights_only in (True, False):
        with pytest.raises((RuntimeError, pickle.UnpicklingError)):
            hub.load_state_dict_from_url("https://somewhere/evil.pth", weights_only=weights_only)


def test_names_of_classes_are_read_from_beside_the_weights(folder: Path) -> None:
    meta = models.ResNet18_Weights.DEFAULT.meta
    with pytest.raises(FileNotFoundError, match=r"imagenet_classes\.txt is not there.*Download https://"):
        meta["categories"]
    with pytest.raises(KeyError, match="categorys"):
        meta["categorys"]
    (folder / "imagenet_classes.txt").write_text("tench\ngoldfish\n", encoding="utf-8")
    assert meta["categories"] == ["tench", "goldfish"]


# ---- builders ----


def test_weights_are_given_as_a_member_or_by_name(small: Any) -> None:
    enum = models.get_model_weights(small)
    for given in (enum.IMAGENET1K_V1, "IMAGENET1K_V1", f"{enum.__name__}.IMAGENET1K_V1"):
        assert filled_with(small(weights=given)) == 1
    for given in (enum.DEFAULT, "DEFAULT"):
        assert filled_with(small(weights=given, progress=False, num_classes=1000)) == 2
    minitorch.manual_seed(0)
    drawn = small(weights=None, num_classes=3)
    minitorch.manual_seed(0)
    assert (drawn.weight == nn.Linear(2, 3).weight).all()


def test_wrong_weights_are_refused(small: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"small-00000000\.pth"):
        small(weights="ABSENT")
    with pytest.raises(KeyError, match="no 'IMAGENET1K_V9'; it has IMAGENET1K_V1, IMAGENET1K_V2, ABSENT"):
        small(weights="IMAGENET1K_V9")
    with pytest.raises(TypeError, match=r"expected Small_Weights but received ResNet18_Weights.*it has IMAGENET1K_V1"):
        small(weights=models.ResNet18_Weights.DEFAULT)
    with pytest.raises(ValueError, match=r"'num_classes' expected value 1000 but got 10 instead"):
        small(weights="DEFAULT", num_classes=10)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        small(weights="DEFAULT", bias=False)
    with pytest.raises(TypeError, match="takes weights and progress by position, got 3"):
        small(None, True, 5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'clases'"):
        small(clases=3)


OLD = {  # what is written: (which weights it gets, how often it is warned)
    "pretrained=True": (1.0, ["The parameter 'pretrained' is deprecated", "equivalent to passing `weights=Small_Weights.IMAGENET1K_V1`. You can also use `weights=Small_Weights.DEFAULT`"]),
    "pretrained=False": (None, ["The parameter 'pretrained' is deprecated", "equivalent to passing `weights=None`."]),
    "weights=True": (1.0, ["Arguments other than a weight enum"]),
    "weights=False": (None, ["Arguments other than a weight enum"]),
    "True": (1.0, ["Using 'weights' as positional", "Arguments other than a weight enum"]),
    "'DEFAULT', False": (2.0, ["Using 'weights' and 'progress' as positional"]),
    "pretrained=True, weights='IMAGENET1K_V2'": ("TypeError", []),
}  # fmt: skip


@pytest.mark.parametrize("written", OLD)
def test_older_arguments_work_and_are_warned_about(small: Any, written: str) -> None:
    value, said = OLD[written]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if value == "TypeError":
            with pytest.raises(TypeError):
                eval(f"small({written})")
            return
        network = eval(f"small({written})")
    assert [each in str(w.message) for each, w in zip(said, caught, strict=True)] == [True] * len(said)
    assert {w.filename for w in caught} == {"<string>"}  # the user's line
    assert value is None or filled_with(network) == value


# ---- enums and names ----


def test_members_are_values() -> None:
    enum = models.ResNet50_Weights
    assert enum.DEFAULT is enum.IMAGENET1K_V2
    assert (repr(enum.DEFAULT), enum.verify(None)) == ("ResNet50_Weights.IMAGENET1K_V2", None)
    assert copy.deepcopy(enum.DEFAULT) is enum.DEFAULT
    assert pickle.loads(pickle.dumps(enum.DEFAULT)) is enum.DEFAULT
    assert enum.IMAGENET1K_V1.value != enum.IMAGENET1K_V2.value
    assert enum.DEFAULT.value != 3
    assert isinstance(enum.DEFAULT.value, Weights)


def test_networks_are_found_by_name() -> None:
    assert models.list_models(include="*50", exclude="resnet1*") == ["resnet50"]
    assert models.list_models(include=["vgg1?", "alex*"], exclude=["vgg13", "vgg19"]) == ["alexnet", "vgg11", "vgg16"]
    assert models.list_models(module=models) == models.list_models()
    assert models.list_models(module=minitorch) == []
    assert models.get_model_builder("ResNet18") is models.resnet18
    assert models.get_model("mobilenet_v2", num_classes=3, width_mult=0.1).classifier[1].out_features == 3
    assert models.get_weight("ResNet50_Weights.DEFAULT") is models.ResNet50_Weights.IMAGENET1K_V2
    assert models.get_model_weights("vgg16") is models.VGG16_Weights
    for call, error, message in (
        (lambda: models.get_model("resnet19"), ValueError, "Unknown model resnet19; there are alexnet, mobilenet_v2"),
        (lambda: models.get_weight("DEFAULT"), ValueError, "Invalid weight name provided: 'DEFAULT'"),
        (lambda: models.get_weight("ResNet19_Weights.DEFAULT"), ValueError, "'ResNet19_Weights' for the specific method"),
        (lambda: models.get_weight("ResNet18_Weights.V3"), KeyError, "it has IMAGENET1K_V1"),
        (lambda: models.get_model_weights(nn.Linear), ValueError, "missing the 'weights' argument"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_weights_say_how_an_image_is_prepared() -> None:
    prepare = models.ResNet50_Weights.DEFAULT.transforms()
    assert str(prepare).startswith("ImageClassification(\n    crop_size=[224]\n    resize_size=[232]\n    mean=[0.485")
    image = torch.rand(3, 250, 300, generator=torch.Generator().manual_seed(0))
    found = prepare(minitorch.tensor(image.numpy()))
    cut = torch.nn.functional.interpolate(image[None], (232, 278), mode="bilinear", antialias=True)[0, :, 4:228, 27:251]
    mean, std = (torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    np.testing.assert_allclose(found.numpy(), ((cut - mean) / std).numpy(), rtol=1.3e-6, atol=1e-5)
    assert "224" in prepare.describe()


# ---- planted faults ----

FAULTS = [
    ("hub", "_check", "not digest.startswith(said[1])", "False", test_a_file_whose_hash_is_not_the_one_in_its_name_is_not_read, ["folder"]),
    ("vision.models._api", "_older_arguments", "if given else None", "if not given else None", None, ["small"]),
    ("vision.models._api", "_must_be", "!= value", "is None", test_wrong_weights_are_refused, ["small"]),
    ("hub", "get_dir", '"TORCH_HOME"', '"TORCH_HOMES"', test_a_file_that_is_not_there_is_asked_for, ["folder"]),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("module", "name", "piece", "broken", "test", "needs"), FAULTS, ids=lambda x: str(x)[:20])
def test_a_planted_fault_is_noticed(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, module: str, name: str, piece: str, broken: str, test: Any,
    needs: list[str],
) -> None:  # fmt: skip
    arguments = [request.getfixturevalue(each) for each in needs]
    plant(monkeypatch, module, name, piece, broken)
    with pytest.raises((AssertionError, pytest.fail.Exception, RuntimeError)):
        (test or test_older_arguments_work_and_are_warned_about)(*arguments, *([] if test else ["pretrained=True"]))
