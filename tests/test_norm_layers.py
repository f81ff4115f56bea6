"""Norms beyond their numbers: warnings, refusals, state dicts of older versions, conversion; each scenario runs on both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.both import Scenarios, assert_same, assert_same_complaint

scenarios, complaints = Scenarios(), Scenarios()


@scenarios.parametrize
def test_norms(scenario: Callable[[Any], Any]) -> None:
    assert_same(scenario)


@complaints.parametrize
def test_complaints(scenario: Callable[[Any], Any]) -> None:
    assert_same_complaint(scenario)


def batch(lib, *shape):
    return lib.arange(float(lib.Size(shape).numel())).sin().reshape(shape)


# ---- instance norm ----


@complaints.add
def instance_norm_of_other_channels(lib):
    return lib.nn.InstanceNorm1d(4)(batch(lib, 2, 3, 5).double())


@complaints.add
def instance_norm_of_other_channels_without_a_batch(lib):
    return lib.nn.InstanceNorm2d(4)(batch(lib, 3, 5, 2).double())


@complaints.add
def instance_norm_of_other_channels_with_weights(lib):
    return lib.nn.InstanceNorm2d(4, affine=True)(batch(lib, 3, 5, 2))


@complaints.add
def instance_norm_of_other_dimensions(lib):
    return lib.nn.InstanceNorm3d(4)(batch(lib, 3, 5, 2))


@complaints.add
def instance_norm_loads_a_state_of_old(lib):
    layer = lib.nn.InstanceNorm1d(2)
    layer.load_state_dict({"running_mean": lib.zeros(2), "running_var": lib.ones(2)})


@complaints.add
def instance_norm_loads_half_a_state_of_old(lib):
    layer = lib.nn.Sequential(lib.nn.InstanceNorm1d(2))
    layer.load_state_dict({"0.running_mean": lib.zeros(2)}, strict=False)


@scenarios.add
def instance_norm_loads_a_state_without_a_count(lib):
    layer = lib.nn.InstanceNorm1d(2, track_running_stats=True)
    state = {"running_mean": lib.ones(2), "running_var": lib.ones(2) * 4}
    return layer.load_state_dict(state), dict(layer.state_dict()), layer.eval()(batch(lib, 1, 2, 3))


@scenarios.add
def instance_norm_says_what_it_has(lib):
    layers = (
        lib.nn.InstanceNorm1d(2, affine=True, bias=False),
        lib.nn.InstanceNorm3d(2, 1e-3, None, track_running_stats=True),
    )
    return [(layer, list(layer.state_dict()), [n for n, _ in layer.named_parameters()]) for layer in layers]


@scenarios.add
def instance_norm_counts_no_batches(lib):
    layer = lib.nn.InstanceNorm1d(2, track_running_stats=True, momentum=None)
    layer(batch(lib, 3, 2, 4))
    before = dict(layer.state_dict())
    layer.reset_running_stats()
    return before, layer.reset_parameters()


# ---- synchronised batch norm ----


def net(lib):
    norms = lib.nn.BatchNorm1d(3, momentum=None), lib.nn.BatchNorm2d(2, affine=False), lib.nn.BatchNorm3d(2, bias=False)
    inner = lib.nn.Sequential(norms[1], norms[2].eval())
    return lib.nn.Sequential(lib.nn.Linear(2, 3), norms[0], inner, lib.nn.LayerNorm(3))


@scenarios.add
def sync_batch_norm_takes_their_place(lib):
    before = net(lib)
    weight, mean = before[1].weight, before[1].running_mean
    after = lib.nn.SyncBatchNorm.convert_sync_batchnorm(before, "a group")
    kept = after is before, after[1].weight is weight, after[1].running_mean is mean
    return after, kept, [m.training for m in after.modules()], after[1].process_group, list(after.state_dict())


@scenarios.add
def sync_batch_norm_takes_the_place_of_one(lib):
    return lib.nn.SyncBatchNorm.convert_sync_batchnorm(lib.nn.BatchNorm1d(3, track_running_stats=False))


@scenarios.add
def sync_batch_norm_without_a_group_is_batch_norm(lib):
    layer = lib.nn.SyncBatchNorm(3, momentum=None, dtype=lib.float64)
    outs = [layer(batch(lib, 2, 3).double() * k) for k in (1, 2)]
    return outs, dict(layer.state_dict()), layer.eval()(batch(lib, 4, 3, 2).double())


@complaints.add
def sync_batch_norm_wants_channels(lib):
    return lib.nn.SyncBatchNorm(3)(batch(lib, 2, 0))


@complaints.add
def sync_batch_norm_wants_dimensions(lib):
    return lib.nn.SyncBatchNorm(3)(batch(lib, 3))


@scenarios.add
def own_batch_norm_with_own_dimensions(lib):
    class Anything(lib.nn.modules.batchnorm._BatchNorm):
        def _check_input_dim(self, input):
            pass

    return Anything(3)(batch(lib, 2, 3, 1, 1, 1, 1, 2))


# ---- over neighbouring channels ----


@complaints.add
def cross_map_norm_wants_images(lib):
    return lib.nn.CrossMapLRN2d(3)(batch(lib, 2, 3, 4))


@scenarios.add
def cross_map_norm_of_one_channel_has_no_derivative(lib):
    x = batch(lib, 1, 2, 1, 2).requires_grad_()
    y = lib.nn.CrossMapLRN2d(1)(x)
    try:
        y.sum().backward()
    except RuntimeError:
        return y, y.grad_fn.name(), "refused"


@scenarios.add
def response_norms_say_what_they_have(lib):
    return lib.nn.LocalResponseNorm(2, k=2), lib.nn.CrossMapLRN2d(5, 1e-3)


@scenarios.add
def response_norm_of_nothing_is_what_came(lib):
    x = lib.zeros(2, 0, 3)
    return lib.nn.functional.local_response_norm(x, 2) is x


# ---- distances ----


@scenarios.add
def pdist_has_no_second_derivative(lib):
    x = batch(lib, 3, 2).requires_grad_()
    (g,) = lib.autograd.grad(lib.pdist(x).sum(), x, create_graph=True)
    try:
        g.sum().backward()
    except NotImplementedError:
        return g, lib.nn.functional.pdist is lib.pdist, lib.pdist(x).grad_fn.name()


@scenarios.add
def distances_say_nothing(lib):
    return lib.nn.PairwiseDistance(1, keepdim=True), lib.nn.CosineSimilarity(), lib.nn.PairwiseDistance(3).norm
