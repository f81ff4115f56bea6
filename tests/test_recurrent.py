"""Recurrent nets beside torch's: what the tables of rows cannot draw. Packed and padded sequences; a layer is a loop over its cell;
weights by name, copies, old states; mistakes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minitorch
from both import Failure, Scenarios, agree, assert_same
from minitorch import nn

scenarios, mistakes = Scenarios(), Scenarios()


@scenarios.parametrize
def test_the_same_as_torch(scenario: Any) -> None:
    assert_same(scenario)


def test_batch_sizes_that_leave_rows_over_are_refused() -> None:
    """torch's way back begins at the last row, which belongs to no step."""
    with pytest.raises(RuntimeError, match="add up to 3, but data has 4 rows"):
        nn.GRU(2, 3)(nn.utils.rnn.PackedSequence(minitorch.ones(4, 2), minitorch.tensor([2, 1])))


@mistakes.parametrize
def test_mistakes_raise_the_same(scenario: Any) -> None:
    assert isinstance(agree(scenario), Failure)


# ---- a layer is a loop over its cell ----


KINDS = [(nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell), (nn.RNN, nn.RNNCell)]


@pytest.mark.parametrize(("layer", "cell"), KINDS, ids=lambda c: c.__name__)
def test_a_layer_is_a_loop_over_its_cell(layer: Any, cell: Any) -> None:
    """Values, first and second derivatives of the op whose backward through time is written by hand, beside those of the loop."""
    minitorch.manual_seed(0)
    net, step = layer(3, 4).double(), cell(3, 4).double()
    step.load_state_dict({name.removesuffix("_l0"): w for name, w in net.state_dict().items()})
    x = minitorch.randn(5, 2, 3, dtype=minitorch.float64, requires_grad=True)
    by_op, hidden, by_loop = net(x)[0], None, []
    for x_t in x:
        hidden = step(x_t, hidden)
        by_loop.append(hidden[0] if isinstance(hidden, tuple) else hidden)
    found = []
    for out, module in ((by_op, net), (minitorch.stack(by_loop), step)):
        leaves = [x, *module.parameters()]
        first = minitorch.autograd.grad(out.square().sum(), leaves, create_graph=True)
        second = minitorch.autograd.grad(sum(g.square().sum() for g in first), leaves)
        found.append([out, *first, *second])
    for one, other in zip(*found):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-11, atol=1e-11)


# ---- packed ----


def rows(lib: Any, *shape: int) -> Any:
    return lib.linspace(-1, 1, int(np.prod(shape)), dtype=lib.float64).reshape(shape)


@scenarios.add
def pack_and_pad(lib):
    rnn = lib.nn.utils.rnn
    x = rows(lib, 4, 3, 2).requires_grad_()
    packed = rnn.pack_padded_sequence(x, [4, 2, 1])
    unsorted = rnn.pack_padded_sequence(x.transpose(0, 1), lib.tensor([1, 4, 2]), batch_first=True, enforce_sorted=False)
    padded = rnn.pad_packed_sequence(unsorted, batch_first=True, padding_value=-7.0, total_length=5)
    (g,) = lib.autograd.grad((padded[0] ** 2).sum() + packed.data.sum(), x)
    return packed, unsorted, padded, rnn.pad_packed_sequence(packed), rnn.unpack_sequence(unsorted), g


@scenarios.add
def lengths_of_floats_and_of_less_than_all_steps(lib):
    rnn = lib.nn.utils.rnn
    x = rows(lib, 4, 3)
    return rnn.pack_padded_sequence(x, lib.tensor([3.9, 2.0, 1.5])), rnn.pack_padded_sequence(x.float(), (2, 2, 1))


@scenarios.add
def sequences_of_several_lengths(lib):
    rnn = lib.nn.utils.rnn
    parts = [lib.arange(3.0), lib.arange(2.0) + 5, lib.arange(4.0) + 7]
    lefts = rnn.pad_sequence(parts, batch_first=True, padding_value=-1, padding_side="left")
    wide = rnn.pad_sequence(p[:, None].expand(-1, 2) for p in parts)
    ints = rnn.pad_sequence([parts[0].long(), parts[1]], padding_value=0.5)
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    return (
        lefts,
        wide,
        ints,
        packed,
        rnn.unpack_sequence(packed),
        rnn.pad_sequence(lib.ones(2, 3)),
        rnn.unpad_sequence(wide.clone(), lib.tensor([3, 2, 1])),
    )


@scenarios.add
def unpadding_transposes_what_came(lib):
    x = rows(lib, 3, 2)
    return lib.nn.utils.rnn.unpad_sequence(x, lib.tensor([3, 1])), tuple(x.shape)


@scenarios.add
def gradients_of_padded_sequences(lib):
    parts = [rows(lib, 3, 2).requires_grad_(), rows(lib, 1, 2).requires_grad_()]
    padded = lib.nn.utils.rnn.pad_sequence(parts)
    return lib.autograd.grad((padded * rows(lib, 3, 2, 2)).sum(), parts)


@scenarios.add
def a_packed_sequence_is_a_tuple(lib):
    packed = lib.nn.utils.rnn.pack_sequence([lib.arange(2.0), lib.arange(3.0)], enforce_sorted=False)
    data, sizes, order, back = packed
    again = pickle.loads(pickle.dumps(packed)) if lib is minitorch else packed
    return (
        [type(packed).__name__, packed._fields, packed.is_cuda, repr(packed), packed.to(lib.float32) is packed, packed.cpu() is packed],
        [packed.to(lib.float64), packed.double(), packed.half(), packed.long(), packed.byte(), packed.cpu(lib.float64)],
        [data, sizes, order, back, again, copy.deepcopy(packed), packed._replace(data=data * 2)],
        lib.nn.utils.rnn.PackedSequence((data, sizes)), lib.nn.utils.rnn.invert_permutation(order),
    )  # fmt: skip


def nets(lib):
    lib.manual_seed(3)
    yield lib.nn.LSTM(2, 3, 2, bidirectional=True, dtype=lib.float64)
    yield lib.nn.LSTM(2, 3, 2, dropout=0.5, proj_size=2, bias=False, dtype=lib.float64)
    yield lib.nn.GRU(2, 3, 2, bidirectional=True, dropout=0.3, dtype=lib.float64)
    yield lib.nn.RNN(2, 3, 2, nonlinearity="relu", bidirectional=True, dtype=lib.float64)


@pytest.mark.parametrize("nr", range(4))
@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_nets_on_packed_sequences(nr: int, is_sorted: bool, given: bool) -> None:
    def run(lib):
        net = list(nets(lib))[nr]
        lengths = [4, 4, 2, 1] if is_sorted else [2, 4, 1, 4]
        x = rows(lib, 4, 4, 2).requires_grad_()
        packed = lib.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=is_sorted)
        directions = 2 if net.bidirectional else 1
        hx = rows(lib, 2 * directions, 4, net.proj_size or 3).requires_grad_()
        hx = (hx, rows(lib, 2 * directions, 4, 3).requires_grad_()) if isinstance(net, lib.nn.LSTM) else hx
        lib.manual_seed(1)
        out, hidden = net(packed, hx) if given else net(packed)
        hidden = hidden if isinstance(hidden, tuple) else (hidden,)
        loss = (out.data**2).sum() + sum((h**3).sum() for h in hidden)
        leaves = [x, *net.parameters(), *((hx if isinstance(hx, tuple) else (hx,)) if given else ())]
        return out, hidden, lib.autograd.grad(loss, leaves)

    assert_same(run)


@scenarios.add
def gradients_of_some_outputs_alone(lib):
    """Of the last states, or of the output: what the others send back is nothing, not zeros."""
    found = []
    for net in nets(lib):
        x = rows(lib, 3, 2, 2).requires_grad_()
        lib.manual_seed(1)
        out, hidden = net(x)
        for root in (out, *(hidden if isinstance(hidden, tuple) else (hidden,))):
            found.append(lib.autograd.grad((root**2).sum(), [x, *net.parameters()], retain_graph=True, allow_unused=True))
    return found


# ---- weights ----


@scenarios.add
def weights_by_name(lib):
    net = next(nets(lib))
    with lib.no_grad():
        net.weight_hh_l1_reverse.fill_(0.5)
    net.bias_ih_l0 = lib.nn.Parameter(lib.zeros(12, dtype=lib.float64))
    same = [a is b for a, b in zip(net._flat_weights, net.parameters(), strict=False)]
    shapes = [[tuple(w.shape) for w in ws] for ws in net.all_weights]
    return net(rows(lib, 2, 1, 2)), shapes, len(same), net._all_weights, net._flat_weights_names, net.flatten_parameters()


@scenarios.add
def weights_of_others(lib):
    net = lib.nn.GRU(2, 3, dtype=lib.float64)
    halves = {name: w.detach() * 0 + 0.5 for name, w in net.named_parameters()}
    return lib.func.functional_call(net, halves, (rows(lib, 2, 1, 2),))


@scenarios.add
def copies_go_their_own_way(lib):
    net = next(nets(lib))
    twin = copy.deepcopy(net)
    with lib.no_grad():
        twin.weight_ih_l0.zero_()
    x = rows(lib, 2, 1, 2)
    return net(x), twin(x), net.half().weight_ih_l0.dtype == lib.float16


def test_a_pickled_net_computes_the_same_and_old_states_are_understood() -> None:
    net = nn.LSTM(2, 3, 2, bidirectional=True)
    x = minitorch.randn(4, 1, 2)
    again = pickle.loads(pickle.dumps(net))
    assert minitorch.equal(net(x)[0], again(x)[0])
    old = {name: value for name, value in net.__dict__.items() if name != "proj_size"}
    restored = nn.LSTM.__new__(nn.LSTM)
    restored.__setstate__(old)
    assert minitorch.equal(net(x)[0], restored(x)[0]) and restored.proj_size == 0


@scenarios.add
def dropout_without_a_layer_above_warns(lib):
    return lib.nn.LSTM(2, 3, dropout=0.5).dropout


@scenarios.add
def what_comes_out_may_be_written_to(lib):
    net = lib.nn.GRU(2, 3, dtype=lib.float64)
    x = rows(lib, 4, 2, 2).requires_grad_()
    lib.nn.init.constant_(net.weight_ih_l0, 0.1)
    lib.nn.init.constant_(net.weight_hh_l0, -0.2)
    lib.nn.init.constant_(net.bias_ih_l0, 0.3)
    lib.nn.init.constant_(net.bias_hh_l0, 0.4)
    out, h = net(x)
    out.mul_(2)
    h += 1
    return lib.autograd.grad(out.sum() + (h * h).sum(), x)


# ---- mistakes ----


def adds(name: str, mistake: Any) -> None:
    mistake.__name__ = name
    mistakes.add(mistake)


for _options in ({"dropout": 2}, {"dropout": True}, {"dropout": "a"}, {"bias": 1}, {"batch_first": 0}, {"input_size": 0}, {"input_size": 2.0},
                 {"hidden_size": 0}, {"hidden_size": "3"}, {"num_layers": 0}, {"proj_size": -1}, {"proj_size": 3}, {"gates": 2}):  # fmt: skip
    for _kind in ("LSTM", "GRU", "RNN"):
        adds(
            f"{_kind} with {_options}",
            lambda lib, k=_kind, o=_options: getattr(lib.nn, k)(**{"input_size": 2, "hidden_size": 3} | o),
        )
for _kind in ("LSTM", "GRU", "RNN"):
    adds(f"{_kind} of another dtype", lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)(lib.ones(4, 1, 2).double()))
    adds(f"{_kind} of a list", lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)([1.0]))
    adds(f"{_kind} of four dimensions", lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)(lib.ones(1, 4, 1, 2)))
    adds(
        f"{_kind} and a state of one dimension",
        lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)(lib.ones(4, 1, 2), (lib.ones(3), lib.ones(3))),
    )
    adds(f"{_kind} of another dtype, packed", lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)(
        lib.nn.utils.rnn.pack_sequence([lib.ones(4, 2).double()])))  # fmt: skip
    if _kind != "LSTM":  # torch's computes with what lies in memory there
        adds(f"{_kind} of too many features, packed", lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)(
            lib.nn.utils.rnn.pack_sequence([lib.ones(4, 3)])))  # fmt: skip
    adds(f"{_kind} of sizes that are more", lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)(
        lib.nn.utils.rnn.PackedSequence(lib.ones(4, 2), lib.tensor([3, 3]))))  # fmt: skip
adds("a state that is no pair", lambda lib: lib.nn.LSTM(2, 3)(lib.ones(4, 1, 2), (lib.ones(1, 1, 3),)))
adds("one state for an LSTM", lambda lib: lib.nn.LSTM(2, 3)(lib.ones(4, 1, 2), lib.ones(2, 1, 1, 3)))
adds("a pair for a GRU", lambda lib: lib.nn.GRU(2, 3)(lib.ones(4, 1, 2), (lib.ones(1, 1, 3), lib.ones(1, 1, 3))))
adds("one state for an LSTMCell", lambda lib: lib.nn.LSTMCell(2, 3)(lib.ones(2, 2), lib.ones(2, 3)))
adds("both states of an LSTMCell in one tensor", lambda lib: lib.nn.LSTMCell(2, 3)(lib.ones(2, 2), lib.ones(2, 2, 3)))
for _kind in ("GRUCell", "RNNCell"):
    adds(
        f"a pair for a {_kind}",
        lambda lib, k=_kind: getattr(lib.nn, k)(2, 3)(lib.ones(2, 2), (lib.ones(2, 3), lib.ones(2, 3))),
    )
adds("an unknown mode", lambda lib: lib.nn.RNNBase("QRNN", 2, 3))

WEIGHTS = ((12, 2), (12, 3), (12,), (12,))


def lstm(lib, x=(4, 1, 2), hx=((1, 1, 3), (1, 1, 3)), weights=WEIGHTS, layers=1, both=False, biases=True, **more):
    def ones(shape):  # (in float32 some of these crash torch)
        return lib.ones(shape, dtype=lib.float64)

    given = (ones(x), tuple(map(ones, hx)), list(map(ones, weights)), biases, layers, 0.0, True, both, False)
    return lib.lstm(*given, **more)


for _k, _given in enumerate((
    {"hx": ((1, 1, 3),)}, {"hx": ((1, 1, 3), (1, 1, 3), (1, 1, 3))}, {"weights": WEIGHTS[:3]}, {"layers": 2}, {"both": True}, {"x": (0, 1, 2)},
    {"layers": 2, "weights": WEIGHTS * 2}, {"layers": 1.5}, {"biases": 1}, {"more": 1},
    {"weights": ((12, 2), (12, 4), (12,), (12,))}, {"x": (4, 1, 3)}, {"hx": ((1, 2, 3), (1, 2, 3)), "x": (4, 3, 2)},
)):  # fmt: skip
    adds(f"lstm {_k} {_given}", lambda lib, g=_given: lstm(lib, **g))
adds(
    "gru of a list for hx", lambda lib: lib.gru(lib.ones(4, 1, 2), [lib.ones(1, 1, 3)], [], True, 1, 0.0, True, False, False)
)


def one_in_float32(lib, name: str, gates: int, which: int):
    shapes = ((3 * gates, 2), (3 * gates, 3), (3 * gates,), (3 * gates,))
    weights = [lib.ones(shape, dtype=lib.float32 if k == which else lib.float64) for k, shape in enumerate(shapes)]
    x, h = lib.ones(4, 1, 2, dtype=lib.float64), lib.ones(1, 1, 3, dtype=lib.float64)
    return getattr(lib, name)(x, h, weights, True, 1, 0.0, True, False, False)


for _name, _gates in (("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):
    for _k in range(4):
        adds(f"{_name} with weight {_k} of another dtype", lambda lib, g=(_name, _gates, _k): one_in_float32(lib, *g))
adds("gru of nothing", lambda lib: lib.gru())
adds(
    "a cell with a wrong number of gates",
    lambda lib: lib.gru_cell(lib.ones(1, 2), lib.ones(1, 3), lib.ones(12, 2), lib.ones(9, 3)),
)
adds(
    "one state for lstm_cell", lambda lib: lib.lstm_cell(lib.ones(1, 2), (lib.ones(1, 3),), lib.ones(12, 2), lib.ones(12, 3))
)
for _k, _lengths in enumerate(([2, 3], [3, 2, 0], [1, 2, 3], [3, 2], [[3, 2, 1]], None, "abc", [3, 2, 1, 1])):
    adds(f"lengths {_k}", lambda lib, n=_lengths: lib.nn.utils.rnn.pack_padded_sequence(lib.ones(3, 3, 2), n))
adds("nothing to pack", lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.ones(3, 0), []))
adds("no batch", lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.ones(3), [3]))
adds("no sequences", lambda lib: lib.nn.utils.rnn.pad_sequence([]))
adds("no list", lambda lib: lib.nn.utils.rnn.pad_sequence(3))
adds("a number", lambda lib: lib.nn.utils.rnn.pad_sequence([lib.ones(2), 3]))
adds("no steps", lambda lib: lib.nn.utils.rnn.pad_sequence([lib.tensor(1.0)]))
adds("other features", lambda lib: lib.nn.utils.rnn.pad_sequence([lib.ones(2, 3), lib.ones(2, 2)]))
adds("another side", lambda lib: lib.nn.utils.rnn.pad_sequence([lib.ones(2)], padding_side="middle"))
adds("a padding of letters", lambda lib: lib.nn.utils.rnn.pad_sequence([lib.ones(2)], padding_value="a"))
adds("too short a length", lambda lib: lib.nn.utils.rnn.pad_packed_sequence(
    lib.nn.utils.rnn.pack_sequence([lib.ones(3)]), total_length=2))  # fmt: skip
adds("a tensor that is not packed", lambda lib: lib.nn.utils.rnn.pad_packed_sequence(lib.ones(3)))
adds("fewer lengths", lambda lib: lib.nn.utils.rnn.unpad_sequence(lib.ones(3, 2), lib.tensor([1])))
adds("lengths in a list", lambda lib: lib.nn.utils.rnn.unpad_sequence(lib.ones(3, 2), [1, 2]))
adds("no pair", lambda lib: lib.nn.utils.rnn.PackedSequence(lib.ones(3)))
adds("sizes in a list", lambda lib: lib.nn.utils.rnn.PackedSequence(lib.ones(3), [2, 1]))
