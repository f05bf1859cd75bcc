"""Schedules against PyTorch's and hand-computed rates; optimisers, their groups, clipping and state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from bench.recipe.kinds import OPTIMIZER, SCHEDULE
from bench.recipe.schedules import first_beta, learning_rate
from bench.recipe.validation import Place
from bench.training import optim_build
from common.errors import UserError
from methods.hyper import MethodError

BASE = 0.02
EPOCHS = 30


def schedule(**settings: Any) -> dict[str, Any]:
    """The settings of a schedule as a specification holds them."""
    return SCHEDULE.specified(settings, Place("test"))


def rates(settings: dict[str, Any], epochs: int = EPOCHS, steps: int = 1) -> list[float]:
    """The rate at every step of a run of `steps` steps an epoch."""
    return [learning_rate(settings, BASE, step / steps, epochs) for step in range(epochs * steps)]


def reference(make: Callable[[torch.optim.Optimizer], Any], steps: int = EPOCHS) -> list[float]:
    """The rates that a scheduler of PyTorch gives."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


PYTORCH: dict[str, tuple[dict[str, Any], Callable[[torch.optim.Optimizer], Any]]] = {
    "constant": ({"name": "constant"}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "multi_step": (
        {"name": "multi_step", "milestones": [10, 20], "factor": 0.1},
        lambda o: lr_scheduler.MultiStepLR(o, [10, 20], 0.1),
    ),
    "multi_step, shares": (
        {"name": "multi_step", "milestones": [0.4, 0.8], "factor": 0.2},
        lambda o: lr_scheduler.MultiStepLR(o, [12, 24], 0.2),
    ),
    "cosine": ({"name": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS)),
    "cosine, minimum": (
        {"name": "cosine", "minimum": 2e-4},
        lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS, eta_min=2e-4),
    ),
    "cosine_restarts": (
        {"name": "cosine_restarts", "period": 10, "minimum": 1e-3},
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, eta_min=1e-3),
    ),
    "warm-up": (
        {"name": "multi_step", "milestones": [10], "warmup": 5},
        lambda o: lr_scheduler.ChainedScheduler(
            [lr_scheduler.LinearLR(o, 1 / 5, 1.0, total_iters=4), lr_scheduler.MultiStepLR(o, [10], 0.1)]
        ),
    ),
}


@pytest.mark.parametrize("name", PYTORCH)
def test_rates_of_every_epoch_are_those_of_pytorch(name: str) -> None:
    settings, make = PYTORCH[name]
    assert rates(schedule(**settings, update="epoch")) == pytest.approx(reference(make), rel=1e-9)


def test_a_cosine_that_moves_every_step_is_pytorchs_over_all_steps() -> None:
    found = rates(schedule(name="cosine"), epochs=6, steps=5)
    assert found == pytest.approx(reference(lambda o: lr_scheduler.CosineAnnealingLR(o, 30), 30), rel=1e-9)


def test_a_schedule_by_epochs_keeps_its_rate_within_an_epoch() -> None:
    settings = schedule(name="cosine", update="epoch")
    within = rates(settings, epochs=6, steps=4)
    assert within == [rate for rate in rates(settings, epochs=6) for _ in range(4)]
    assert len(set(rates(schedule(name="cosine"), epochs=6, steps=4))) == 24


def test_nal_updates_its_targets_at_the_lowest_rate_of_a_cycle() -> None:
    # MacLLL/NAL: lr .02, T_0 = 10, eta_min 1e-3; counted from 1, epochs 10, 20, 30 have .00146 and 1, 11, 21 have .02.
    found = rates(schedule(name="cosine_restarts", period=10, minimum=1e-3, update="epoch"))
    assert [round(found[epoch - 1], 5) for epoch in (10, 20, 30)] == [0.00146] * 3
    assert [found[epoch - 1] for epoch in (1, 11, 21)] == [BASE] * 3
    assert found[9] == pytest.approx(1e-3 + 0.019 * (1 + math.cos(0.9 * math.pi)) / 2)


def test_a_linear_decay_is_that_of_co_teachings_authors() -> None:
    # bhanML/Co-teaching: alpha_plan[i] = (n_epoch - i) / (n_epoch - epoch_decay_start) * lr from epoch_decay_start on
    settings = schedule(name="linear", start=12, beta1_after=0.1, update="epoch")
    assert rates(settings) == pytest.approx([BASE] * 12 + [(30 - i) / 18 * BASE for i in range(12, 30)])
    assert rates(schedule(name="linear", start=0.4, update="epoch")) == pytest.approx(rates(settings))
    assert rates(schedule(name="linear", start=40)) == [BASE] * 30
    betas = [first_beta(settings, 0.9, epoch + 0.99, EPOCHS) for epoch in range(EPOCHS)]
    assert betas == [0.9] * 12 + [0.1] * 18
    assert first_beta(schedule(name="linear", start=12), 0.9, 20.0, EPOCHS) == 0.9
    assert first_beta(schedule(name="cosine"), 0.9, 20.0, EPOCHS) == 0.9


def test_warm_up_rises_linearly_to_the_full_rate() -> None:
    found = rates(schedule(name="constant", warmup=2), epochs=4, steps=4)
    assert found == pytest.approx([BASE * step / 8 for step in range(8)] + [BASE] * 8)
    by_epochs = rates(schedule(name="constant", warmup=4, update="epoch"))
    assert by_epochs[:5] == pytest.approx([BASE / 4, BASE / 2, 3 * BASE / 4, BASE, BASE])
    assert rates(schedule(name="constant", warmup=0.1), steps=2)[:7] == pytest.approx(
        [BASE * step / 6 for step in range(6)] + [BASE]
    )
    long = rates(schedule(name="constant", warmup=60, update="epoch"))
    assert long == pytest.approx([BASE * (epoch + 1) / 60 for epoch in range(30)])


def test_a_cosine_after_warm_up_spans_the_rest_of_the_run() -> None:
    found = rates(schedule(name="cosine", warmup=6, update="epoch"))
    rest = reference(lambda o: lr_scheduler.CosineAnnealingLR(o, 24), 24)
    assert found[6:] == pytest.approx(rest, rel=1e-9)


@pytest.mark.parametrize("epochs", [10, 20, 30, 50, 100, 120, 150, 200, 300, 500])
def test_a_share_of_the_run_is_a_whole_epoch_where_it_should_be(epochs: int) -> None:
    for hundredth in range(1, 100):
        if hundredth * epochs % 100 == 0:
            milestone = hundredth * epochs // 100
            settings = schedule(name="multi_step", milestones=[hundredth / 100], update="epoch")
            found = [learning_rate(settings, 1.0, epoch, epochs) for epoch in (milestone - 1, milestone)]
            assert found == [1.0, 0.1], (hundredth, epochs)


def model(*sizes: int) -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(size)) for size in sizes]


def build(groups: list[dict[str, Any]], first: int = 0, plan: dict[str, Any] | None = None, **settings: Any) -> Any:
    given = OPTIMIZER.specified({"lr": 0.1, **settings}, Place("test"))
    return optim_build.build(groups, given, plan or schedule(name="constant"), first, EPOCHS)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "sgd", "momentum": 0.8, "nesterov": True}, torch.optim.SGD),
        ({"name": "adam", "betas": (0.8, 0.99)}, torch.optim.Adam),
        ({"name": "adagrad"}, torch.optim.Adagrad),
    ],
)
def test_steps_are_those_of_pytorchs_optimisers(settings: dict[str, Any], expected: Any) -> None:
    [mine], [theirs] = model(5), model(5)
    made = build([{"params": [mine]}], weight_decay=0.01, **settings)
    plain = expected([theirs], lr=0.1, weight_decay=0.01, **{k: v for k, v in settings.items() if k != "name"})
    for _ in range(4):
        for parameter in (mine, theirs):
            parameter.grad = parameter.detach() ** 2
        made.step()
        plain.step()
    assert torch.allclose(mine, theirs, atol=1e-6)
    assert not torch.allclose(mine, model(5)[0])


def test_a_group_may_have_its_own_settings_optimiser_and_no_schedule() -> None:
    network, u, v = model(4, 3, 2)
    plan = schedule(name="linear", beta1_after=0.1, update="epoch")
    groups = [
        {"params": [network]},
        {"params": [u], "lr": 7.0, "weight_decay": 0.0, "momentum": 0.0, "optimizer": "sgd", "schedule": False},
        {"params": [v], "lr": 3.0},
    ]
    made = build(groups, plan=plan, name="adam", betas=(0.9, 0.99), weight_decay=0.5)
    assert set(made.by_kind) == {"adam", "sgd"}
    assert made.set_rates(15.0) == pytest.approx(0.05)
    first, second = made.by_kind["adam"].param_groups
    [own] = made.by_kind["sgd"].param_groups
    assert (first["lr"], second["lr"], own["lr"]) == pytest.approx((0.05, 1.5, 7.0))
    assert (first["betas"], second["betas"]) == ((0.1, 0.99), (0.1, 0.99))
    assert (first["weight_decay"], own["weight_decay"], own["momentum"]) == (0.5, 0.0, 0.0)


def test_a_group_of_another_kind_starts_from_that_kinds_own_defaults() -> None:
    network, v = model(4, 2)
    made = build([{"params": [network]}, {"params": [v], "optimizer": "adam"}], momentum=0.7, weight_decay=0.5)
    [group] = made.by_kind["adam"].param_groups
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.1, 0, (0.9, 0.999))


def test_a_schedule_counts_from_the_epoch_it_started_in() -> None:
    [network] = model(4)
    made = build([{"params": [network]}], first=10, plan=schedule(name="linear", start=5))
    assert made.set_rates(10.0) == pytest.approx(0.1)
    assert made.set_rates(14.9) == pytest.approx(0.1)
    assert made.set_rates(10 + 17.5) == pytest.approx(0.05)


def test_norms_are_clipped_for_each_group_by_itself() -> None:
    long, short, free = model(4, 4, 4)
    groups = [{"params": [long]}, {"params": [short]}, {"params": [free], "clip_norm": None}]
    made = build(groups, clip_norm=1.0, momentum=0.0, weight_decay=0.0)
    before = [parameter.detach().clone() for parameter in (long, short, free)]
    for parameter, norm in ((long, 20.0), (short, 0.5), (free, 20.0)):
        parameter.grad = torch.full((4,), norm / 2)
    made.step()
    moved = [float((old - new.detach()).norm()) for old, new in zip(before, (long, short, free), strict=True)]
    assert moved == pytest.approx([0.1, 0.05, 2.0], rel=1e-4)


def test_a_group_may_ask_for_clipping_where_the_suite_does_not() -> None:
    one, other = model(4, 4)
    made = build([{"params": [one], "clip_norm": 2.0}, {"params": [other]}], momentum=0.0, weight_decay=0.0)
    before = [one.detach().clone(), other.detach().clone()]
    one.grad, other.grad = torch.full((4,), 10.0), torch.full((4,), 10.0)
    made.step()
    moved = [float((old - new.detach()).norm()) for old, new in zip(before, (one, other), strict=True)]
    assert moved == pytest.approx([0.2, 2.0], rel=1e-4)


def test_what_has_no_gradient_is_not_moved() -> None:
    one, other = model(3, 3)
    made = build([{"params": [one]}, {"params": [other]}], momentum=0.9, weight_decay=0.5)
    for parameter in (one, other):
        parameter.grad = torch.ones(3)
    made.step()
    kept = other.detach().clone()
    made.zero_grad()
    assert one.grad is None
    one.grad = torch.ones(3)
    made.step()
    assert torch.equal(other, kept)  # neither momentum nor weight decay touch it


@pytest.mark.parametrize("name", ["sgd", "adam", "adagrad"])
def test_a_restored_state_goes_on_exactly_and_still_follows_the_schedule(name: str) -> None:
    plan = schedule(name="cosine")

    def steps(made: Any, parameter: nn.Parameter, numbers: range) -> None:
        for number in numbers:
            made.set_rates(float(number))
            parameter.grad = parameter.detach() ** 2 + number
            made.step()

    [whole], [halved] = model(5), model(5)
    steps(build([{"params": [whole]}], plan=plan, name=name), whole, range(8))
    first = build([{"params": [halved]}], plan=plan, name=name)
    steps(first, halved, range(4))
    second = build([{"params": [halved]}], plan=plan, name=name)
    second.load_state_dict(first.state_dict())
    steps(second, halved, range(4, 8))
    assert torch.equal(whole, halved)


def test_an_unknown_optimiser_or_setting_of_a_group_is_named() -> None:
    [one] = model(3)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"optimizer": "lion"}, "key 'optimizer': unknown optimizer 'lion' (accepted: adagrad, adam, "),
        ({"optimizer": "sdg"}, "unknown optimizer 'sdg'; did you mean 'sgd'?"),
        (
            {"betas": (0.9, 0.99)},
            "unknown key 'betas' (accepted by optimizer 'sgd': params, name, optimizer, schedule, lr, ",
        ),
        ({"optimizer": "adam", "momentum": 0.5}, "unknown key 'momentum' (accepted by optimizer 'adam': params, "),
        ({"wieght_decay": 0.5}, "unknown key 'wieght_decay'; did you mean 'weight_decay'?"),
        ({"lr": "high"}, "key 'lr' = 'high': must be a valid number"),
        (
            {"name": "adam"},
            "key 'name' = 'adam': is what optimisers are called; the group's own is its key 'optimizer'",
        ),
        ({"name": 3}, "key 'name' = 3: must be a string"),
    ]
    for own, expected in cases:
        with pytest.raises(MethodError) as caught:
            build([{"params": model(2)}, {"params": [one], **own}])
        assert str(caught.value).startswith("parameter group 2: ")
        assert expected in str(caught.value)


def test_a_group_may_stand_still() -> None:
    made = build([{"params": model(3), "lr": 0.0}], plan=schedule(name="cosine"))
    assert made.set_rates(0.0) == 0.0


def test_a_specification_with_an_unknown_schedule_or_optimiser_is_refused() -> None:
    wrong = {**schedule(name="cosine"), "name": "cosin"}
    with pytest.raises(UserError, match=r"^unknown schedule 'cosin'; did you mean 'cosine'\?"):
        build([{"params": model(3)}], plan=wrong)
    with pytest.raises(UserError, match=r"^unknown schedule 'cosin'"):
        learning_rate(wrong, BASE, 1.0, EPOCHS)
    given = {**OPTIMIZER.specified({}, Place("test")), "name": "sgdd"}
    with pytest.raises(UserError, match=r"^unknown optimizer 'sgdd'; did you mean 'sgd'\?"):
        optim_build.build([{"params": model(3)}], given, schedule(name="cosine"), 0, EPOCHS)


STAGES: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": ({"wieght_decay": 0.1}, "unknown key 'optimizer.wieght_decay'; did you mean 'weight_decay'?"),
    "of another kind": (
        {"name": "adam", "momentum": 0.3},
        "unknown key 'optimizer.momentum' (accepted by optimizer 'adam': "
        "name, lr, weight_decay, clip_norm, sam, betas)",
    ),
    "no such kind": ({"name": "adm"}, "key 'optimizer.name': unknown optimizer 'adm'; did you mean 'adam'?"),
    "a wrong type": ({"lr": "0.1"}, "key 'optimizer.lr' = '0.1': must be a valid number"),
    "a negative rate": ({"lr": -0.1}, "key 'optimizer.lr' = -0.1: must be greater than 0"),
    "a schedule's name": ({"schedule": {"name": "cosin"}}, "key 'optimizer.schedule.name': unknown schedule 'cosin'"),
    "a schedule's key": ({"schedule": {"milestones": [3]}}, "unknown key 'optimizer.schedule.milestones'"),
    "a schedule that is no table": ({"schedule": False}, "key 'optimizer.schedule' = False: must be a table"),
}


@pytest.mark.parametrize("case", STAGES)
def test_a_fault_in_a_stages_settings_names_the_key(case: str) -> None:
    own, expected = STAGES[case]
    suites = OPTIMIZER.specified({}, Place("test")), schedule(name="cosine")
    with pytest.raises(MethodError) as caught:
        optim_build.of_stage(*suites, own, "stage 2")
    assert str(caught.value).startswith(f"stage 2: {expected}")


def test_a_stage_keeps_those_of_the_suites_settings_that_its_optimiser_has() -> None:
    suites = OPTIMIZER.specified({"lr": 0.3, "momentum": 0.5, "weight_decay": 0.01}, Place("test"))
    plan = schedule(name="multi_step", milestones=[3], warmup=2, update="epoch")
    found, changed = optim_build.of_stage(suites, plan, {"name": "adam", "schedule": {"name": "constant"}}, "stage 1")
    assert found == {"name": "adam", "lr": 0.3, "weight_decay": 0.01, "clip_norm": None, "betas": [0.9, 0.999]}
    assert changed == {"name": "constant", "warmup": 2, "update": "epoch"}
    assert optim_build.of_stage(suites, plan, {}, "stage 1") == (suites, plan)
    found, changed = optim_build.of_stage(suites, plan, {"momentum": 0.0, "lr": 0.0}, "stage 1")
    assert (found, changed) == ({**suites, "momentum": 0.0, "lr": 0.0}, plan)
