"""Files of models: the same arrays however they are stored, nothing executed, and words for everything else."""

import sys

import numpy as np
import pytest

from thalweg.interop import foreign_model, read_model, shallow_net
from thalweg.interop.files import may_be_replaced, to_safetensors
from thalweg.records import InputError
from thalweg.shallow import ShallowNet

NET = ShallowNet("tanh", 0.3, np.array([1.0, -1.2]), np.array([0.2, -0.5]), np.array([[1.0, 0.5], [-0.7, 1.1]]))
LAYERS = [NET.w, NET.b, NET.v[None], np.array([NET.v0])]


def code_of(path, **options):
    with pytest.raises(InputError) as caught:
        read_model(path, **options)
    assert caught.value.message("ja")
    return caught.value.code


def test_safetensors_there_and_back_with_the_activation(tmp_path):
    path = tmp_path / "net.safetensors"
    for net in (NET, ShallowNet("gelu", [1.0, 2.0], np.arange(6.0).reshape(3, 2), np.ones(3), np.eye(3))):
        path.write_bytes(to_safetensors(foreign_model(net)))
        again = shallow_net(path)
        assert again.activation == net.activation and np.array_equal(again.theta, net.theta)
    assert code_of(path, activation="tanh") == "activation_differs"
    assert shallow_net(path, activation="gelu").activation == "gelu"
    assert code_of(path, layout="in_out") == "option_without_effect"
    assert may_be_replaced(path) and may_be_replaced(tmp_path / "free")


def test_files_of_others_may_not_be_replaced(tmp_path):
    from safetensors.numpy import save_file

    save_file({"0.weight": NET.w}, tmp_path / "theirs.safetensors", metadata={"activation": "tanh"})
    (tmp_path / "words").write_text("mine")
    assert not may_be_replaced(tmp_path / "theirs.safetensors") and not may_be_replaced(tmp_path / "words")


@pytest.mark.parametrize("names", ["in turn", "torch", "flax", "ours"])
def test_archives(tmp_path, names):
    path = tmp_path / "net.npz"
    if names == "in turn":
        np.savez(path, *LAYERS)
    elif names == "torch":
        np.savez(path, **dict(zip(("2.weight", "2.bias", "10.weight", "10.bias"), LAYERS, strict=True)))
    elif names == "flax":
        flax = ("Dense_0/kernel", "Dense_0/bias", "Dense_1/kernel", "Dense_1/bias")
        np.savez(path, **{name: array.T for name, array in zip(flax, LAYERS, strict=True)})
    else:
        np.savez(path, w=NET.w, b=NET.b, v=NET.v, v0=NET.v0, activation="tanh")
    options = {} if names == "ours" else {"activation": "tanh"}
    if names == "in turn":
        options["layout"] = "out_in"
    assert np.array_equal(shallow_net(path, **options).theta, NET.theta)
    assert read_model(path, **options).source == "net.npz"


def test_archives_of_several_outputs(tmp_path):
    net = ShallowNet("logistic", [0.1, 0.2], np.arange(6.0).reshape(3, 2), np.arange(3.0), np.ones((3, 4)))
    np.savez(tmp_path / "net.npz", w=net.w, b=net.b, v=net.v, v0=net.v0)
    assert np.array_equal(shallow_net(tmp_path / "net.npz", activation="sigmoid").theta, net.theta)
    assert code_of(tmp_path / "net.npz") == "activation_needed"


def test_what_is_refused(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, *LAYERS[:3])
    assert code_of(path, activation="tanh") == "model_pairs"
    np.savez(path, w=np.array([{}], dtype=object))
    assert code_of(path) == "model_file"
    np.savez(path)
    assert code_of(path) == "model_without_layers"
    np.savez(path, gamma=NET.w)
    assert code_of(path, activation="tanh") == "model_entry"
    path.write_bytes(b"rubbish")
    assert code_of(path) == "model_file"
    np.save(tmp_path / "one.npy", NET.w)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    assert code_of(tmp_path / "one.npz") == "model_file"


def test_integers_are_no_weights(tmp_path):
    from safetensors.numpy import save_file

    save_file({"0.weight": np.ones((2, 2), dtype=np.int64)}, tmp_path / "net.safetensors")
    assert code_of(tmp_path / "net.safetensors") == "model_file"


@pytest.mark.needs("torch")
def test_narrow_types_and_checkpoints(tmp_path):
    import torch
    from safetensors.torch import save_file

    state = {n: torch.tensor(a) for n, a in zip(("0.weight", "0.bias", "2.weight", "2.bias"), LAYERS, strict=True)}
    for kind in (torch.bfloat16, torch.float16, torch.float32):
        narrow = {name: tensor.to(kind) for name, tensor in state.items()}
        wanted = [narrow[name].double().numpy() for name in state]
        save_file(narrow, tmp_path / "net.safetensors")
        torch.save({"state_dict": narrow, "epoch": 3}, tmp_path / "net.pt")
        for file in ("net.safetensors", "net.pt"):
            read = read_model(tmp_path / file, activation="tanh")
            found = [part for layer in read.layers for part in (layer.weights, layer.bias)]
            assert read.is_narrow and all(map(np.array_equal, found, wanted)), (kind, file)


def test_without_torch_its_files_are_refused_in_words(tmp_path, monkeypatch):
    (tmp_path / "net.pt").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert code_of(tmp_path / "net.pt", activation="tanh") == "package_missing"
