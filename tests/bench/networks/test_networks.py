"""Networks: their table and published sizes, and the promises that methods and the trainer rely on."""

from __future__ import annotations

import copy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu
from torch.utils.flop_counter import FlopCounterMode

from bench import networks
from bench.networks.identity_resnet import IdentityBlock, PaddedBlock
from bench.networks.imagenet import vgg19_bn
from bench.networks.inception_resnet import _block8, _block17
from bench.networks.network import Network, PassCounter, TwoHeads
from bench.networks.resnet import BasicBlock, PreActBlock
from common.errors import UserError
from datasets import torchvision_import

SMALL = ["digits_cnn", "digits_cnn_large", "small_cnn", "co_teaching_cnn", "apl_cnn", "jocor_cnn", "cnn_small"]
RESIDUAL = ["resnet18", "resnet34", "preact_resnet18", "resnet32", "preact_resnet32", "wide_resnet28_2",
            "torchvision_resnet18", "densenet121"]  # fmt: skip


def make(name: str, seed: int = 0, **options: object) -> Network:
    torch.manual_seed(seed)
    return networks.build(name, 10, networks.NETWORKS[name].image_shape, **options)  # type: ignore[arg-type]


def images_for(name: str, count: int = 4) -> Tensor:
    return torch.randn(count, *networks.NETWORKS[name].image_shape, generator=torch.Generator().manual_seed(1))


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


# --- the table ---------------------------------------------------------------------------------------------------


def test_table_is_read_without_torch() -> None:
    code = "import sys, bench.networks as n; n.check('resnet34', (3, 32, 32)); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", networks.NETWORKS.names)
def test_parameter_count_is_the_published_one(name: str) -> None:
    info = networks.NETWORKS[name]
    with torch.device("meta"):
        network = networks.build(name, info.parameter_classes, info.image_shape)
    assert sum(parameter.numel() for parameter in network.parameters()) == info.parameters
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("name", networks.NETWORKS.names)
def test_products_are_those_of_a_forward_pass(name: str) -> None:
    info = networks.NETWORKS[name]
    with torch.device("meta"):
        network = networks.build(name, 10, info.image_shape).eval()
        images = torch.zeros(1, *info.image_shape)
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        for block in network.blocks:
            images = block(images)
    assert round(counted.get_total_flops() / 2e6, 2) == info.products  # a multiplication and an addition each


def test_counts_by_hand() -> None:
    """3x3 kernels of the 9-layer CNN, its biases, scales and shifts, and the classifier (paper's table 3)."""
    widths = [3, 128, 128, 128, 256, 256, 256, 512, 256, 128]
    kernels = sum(9 * inputs * outputs for inputs, outputs in pairwise(widths))
    assert kernels + 3 * sum(widths[1:]) + 128 * 10 + 10 == networks.NETWORKS["co_teaching_cnn"].parameters
    # the stem's batch normalisation is all that sets mixup's pre-activation network apart from pytorch-cifar's
    assert networks.NETWORKS["preact_resnet18"].parameters == 11_171_146 + 2 * 64


def _identity_count(depth: int, widths: list[int], classes: int) -> int:
    """Two 3x3 convolutions and two normalisations a block, a 1x1 convolution where the channels change, the ends."""
    found = 3 * 9 * widths[0] + 2 * widths[-1] + widths[-1] * classes + classes
    for inputs, outputs in pairwise(widths):
        for first in [inputs] + [outputs] * (depth - 1):
            found += 2 * first + 9 * first * outputs + 2 * outputs + 9 * outputs * outputs
            found += first * outputs if first != outputs else 0
    return found


def test_further_counts_by_hand() -> None:
    counts = {name: networks.NETWORKS[name].parameters for name in networks.NETWORKS.names}
    widths = [3, 64, 64, 128, 128, 196, 16]
    kernels = sum(9 * inputs * outputs for inputs, outputs in pairwise(widths))
    assert counts["jocor_cnn"] == kernels + 3 * sum(widths[1:]) + 256 * 10 + 10
    assert counts["cnn_small"] == (75 * 6 + 6) + (150 * 16 + 16) + (400 * 120 + 120) + (120 * 84 + 84) + 850
    assert counts["preact_resnet32"] == _identity_count(5, [32, 32, 64, 128], 10)
    assert counts["wide_resnet28_2"] == _identity_count(4, [16, 32, 64, 128], 10)
    assert counts["wide_resnet28_10"] == _identity_count(4, [16, 160, 320, 640], 10)
    more = counts["resnet34"] - counts["resnet18"]  # the further blocks; a pre-activation block has as many parameters
    assert counts["preact_resnet34"] - counts["preact_resnet18"] == more
    head = (25088 * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 + 1)
    assert counts["vgg19_bn_two_heads"] == counts["vgg19_bn"] + head


def test_inception_resnet_agrees_with_keras_count() -> None:
    """Keras leaves out the scale of batch normalisation and counts its two moving averages; no classifier."""
    info = networks.NETWORKS["inception_resnet_v2"]
    with torch.device("meta"):
        network = networks.build(info.name, 1000, info.image_shape)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    channels = sum(norm.num_features for norm in norms)
    body = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in network.blocks[-1].parameters())
    assert body + channels == 54_336_736


@pytest.mark.parametrize(("name", "size"), [(info.name, info.smallest) for info in networks.NETWORKS])
def test_smallest_images_pass(name: str, size: int) -> None:
    channels = networks.NETWORKS[name].image_shape[0]
    with torch.device("meta"):
        network = networks.build(name, 7, (channels, size, size))
        features = torch.empty(2, channels, size, size)
        for block in network.blocks[:-1]:
            features = block(features)
    assert features.shape == (2, network.feature_size)
    assert network.blocks[-1](features).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "shape"), [("digits_cnn", (1, 9, 13)), ("apl_cnn", (3, 40, 24)), ("small_cnn", (1, 28, 28))]
)
def test_other_image_shapes(name: str, shape: tuple[int, int, int]) -> None:
    assert networks.build(name, 3, shape)(torch.randn(2, *shape)).shape == (2, 3)


def test_refusals_are_one_line() -> None:
    cases = [
        (lambda: networks.build("resnet43", 10, (3, 32, 32)), "did you mean 'resnet34'"),
        (lambda: networks.build("co_teaching_cnn", 10, (1, 8, 8)), "8 x 8 are too small (at least 28 a side)"),
        (lambda: networks.build("resnet50", 10, (1, 64, 64)), "images of 3 channels, not 1"),
        (
            lambda: networks.build("small_cnn", 10, (3, 32, 32), pretrained=True),
            "torchvision_resnet18, torchvision_resnet34, ",
        ),
    ]
    for build, text in cases:
        with pytest.raises(UserError) as caught:
            build()
        assert text in str(caught.value) and "\n" not in str(caught.value)


# --- the interface -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", [*SMALL, *RESIDUAL])
def test_outputs(name: str, precision: str) -> None:
    network = make(name, precision=precision, channels_last=True).eval()
    images = images_for(name)
    with torch.no_grad():
        logits, features = network(images), network.features(images)
        assert torch.equal(network.classify(features), logits)
    assert logits.shape == (4, 10) and logits.dtype == torch.float32
    assert features.shape == (4, network.feature_size) and features.dtype == torch.float32
    assert isinstance(network.blocks[-1], nn.Linear) and network.blocks[-1].in_features == network.feature_size


@pytest.mark.parametrize("name", [*SMALL, "resnet18", "preact_resnet18", "resnet32", "preact_resnet32", "densenet121"])
def test_every_parameter_has_a_gradient(name: str) -> None:
    network = make(name)
    cross_entropy(network(images_for(name)), torch.tensor([0, 1, 2, 3])).backward()
    gradients = {key: value.grad for key, value in network.named_parameters()}
    assert [key for key, value in gradients.items() if value is None or not value.isfinite().all()] == []


def test_autocast_stays_inside() -> None:
    seen: list[torch.dtype] = []
    network = make("digits_cnn", precision="bf16")
    network.blocks[1].register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    network.blocks[-1].register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    logits = network(images_for("digits_cnn"))
    assert seen == [torch.bfloat16, torch.bfloat16]
    assert not torch.is_autocast_enabled("cpu")
    logits.sum().backward()
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert {parameter.grad.dtype for parameter in network.parameters() if parameter.grad is not None} == {torch.float32}


def test_fp32_ignores_autocast_around_it() -> None:
    network = make("digits_cnn").eval()
    images = images_for("digits_cnn")
    plain = network(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(network(images), plain)


def test_pass_counts() -> None:
    counter = PassCounter()
    network = make("digits_cnn", counter=counter)
    other = copy.deepcopy(network)
    network(images_for("digits_cnn", 5))
    other.features(images_for("digits_cnn", 3))
    network.eval()
    features = network.features(images_for("digits_cnn", 7))
    counter.evaluating = True
    network.classify(features)
    network(images_for("digits_cnn", 2))
    assert (counter.cost, counter.evaluation) == (5 + 3 + 7, 2)
    restored = PassCounter()
    restored.load_state_dict(counter.state_dict())
    assert (restored.cost, restored.evaluation) == (15, 2)
    assert copy.copy(counter) is counter and other.counter is counter
    assert make("digits_cnn").counter is not make("digits_cnn").counter


def test_state_is_parameters_and_buffers_only() -> None:
    network = make("small_cnn", channels_last=True)
    state = network.state_dict()
    assert all(isinstance(value, Tensor) for value in state.values())
    assert set(state) == {key for key, _ in [*network.named_parameters(), *network.named_buffers()]}
    other = make("small_cnn", seed=1, channels_last=True)
    other.load_state_dict(state)
    images = images_for("small_cnn")
    assert torch.equal(network(images), other(images))
    assert same(network.state_dict(), other.state_dict())


def test_deep_copy_is_independent() -> None:
    network = make("digits_cnn")
    before = weights_of(network)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    assert same(network.state_dict(), before)


@pytest.mark.parametrize(
    "name", ["digits_cnn", "small_cnn", "resnet18", "preact_resnet18", "resnet32", "wide_resnet28_2", "densenet121"]
)
def test_layout_is_kept_throughout(name: str) -> None:
    network = make(name, channels_last=True)
    layouts: list[bool] = []
    for block in network.blocks[:-2]:
        block.register_forward_hook(
            lambda _module, _inputs, output: layouts.append(output.is_contiguous(memory_format=torch.channels_last))
        )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network(images_for(name)).sum().backward()
    optimizer.step()
    other = copy.deepcopy(network)
    other.load_state_dict(make(name, seed=1).state_dict())
    other.reinitialise(other.blocks, torch.Generator())
    assert layouts and all(layouts)
    for kept in (network, other):
        weights = [parameter for parameter in kept.parameters() if parameter.dim() == 4]
        assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


def test_contiguous_input_of_any_layout_gives_the_same() -> None:
    network = make("small_cnn", channels_last=True).eval()
    images = images_for("small_cnn")
    assert torch.equal(network(images), network(images.contiguous(memory_format=torch.channels_last)))


# --- initialisation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SMALL, "resnet18"])
def test_weights_are_a_function_of_the_seed_alone(name: str) -> None:
    reference = make(name).state_dict()
    assert same(make(name, precision="bf16", channels_last=True, counter=PassCounter()).state_dict(), reference)
    assert not same(make(name, seed=1).state_dict(), reference)


def test_reinitialise_draws_from_its_generator_alone() -> None:
    network, other = make("small_cnn"), make("small_cnn", channels_last=True)
    network(images_for("small_cnn"))
    block = network.blocks[2]
    objects, before, untouched = list(block.parameters()), weights_of(block), weights_of(network.blocks[1])
    torch.manual_seed(5)
    state = torch.get_rng_state()
    network.reinitialise(block, torch.Generator().manual_seed(3))
    other.reinitialise(other.blocks[2], torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(first is second for first, second in zip(block.parameters(), objects, strict=True))
    assert same(block.state_dict(), other.blocks[2].state_dict())
    assert not any(torch.equal(block.state_dict()[key], before[key]) for key in before if key.endswith("running_mean"))
    assert same(network.blocks[1].state_dict(), untouched)
    network.reinitialise(block, torch.Generator().manual_seed(4))
    assert not same(block.state_dict(), other.blocks[2].state_dict())


def test_reinitialise_keeps_the_architecture_s_own_distribution() -> None:
    network = make("apl_cnn")
    convolution = next(module for module in network.blocks[2].modules() if isinstance(module, nn.Conv2d))
    network.reinitialise(network.blocks[2], torch.Generator().manual_seed(0))
    bound = (6 / (9 * convolution.in_channels)) ** 0.5  # uniform after He
    assert 0.99 * bound < float(convolution.weight.detach().abs().max()) <= bound
    with torch.no_grad():
        network.blocks[-1].weight.zero_()
    network.reinitialise(network.blocks[-1], torch.Generator().manual_seed(0))
    bound = (6 / (256 + 10)) ** 0.5  # uniform after Glorot
    assert 0.95 * bound < float(network.blocks[-1].weight.detach().abs().max()) <= bound


def test_resnet50_convolutions_start_normal_after_he() -> None:
    network = networks.build("resnet50", 5, (3, 64, 64))
    weight = next(module for module in network.blocks[4].modules() if isinstance(module, nn.Conv2d)).weight
    assert float(weight.detach().std()) == pytest.approx((2 / weight.shape[0]) ** 0.5, rel=0.02)


# --- what the blocks compute ---------------------------------------------------------------------------------------


def test_residual_blocks_pass_the_right_thing_on() -> None:
    images = torch.randn(3, 8, 5, 5)
    basic, preact = BasicBlock(8, 8, 1), PreActBlock(8, 8, 1)
    with torch.no_grad():
        basic.second[1].weight.zero_()
        preact.second[2].weight.zero_()
    assert torch.equal(basic(images.clone()), relu(images))
    assert torch.equal(preact(images.clone()), relu(preact.norm.train()(images)))
    assert PreActBlock(8, 16, 2)(images).shape == BasicBlock(8, 16, 2)(images).shape == (3, 16, 3, 3)


def test_shortcuts_without_weights_pass_the_image_on() -> None:
    images = torch.randn(3, 8, 6, 6)
    padded, preact = PaddedBlock(8, 16, 2), IdentityBlock(8, 8, 1)
    with torch.no_grad():
        padded.second[1].weight.zero_()
        preact.second[2].weight.zero_()
    found = padded(images.clone())
    assert torch.equal(found[:, 4:12], relu(images[:, :, ::2, ::2]))
    assert not found[:, :4].any() and not found[:, 12:].any()
    assert torch.equal(preact(images.clone()), images)
    wider = IdentityBlock(8, 16, 2)
    with torch.no_grad():
        wider.second[2].weight.zero_()
        wanted = wider.shortcut(relu(wider.norm(images)))
        assert torch.allclose(IdentityBlock.forward(wider, images), wanted, atol=1e-6)


def test_a_small_image_ends_as_one_pixel_in_torchvisions_networks() -> None:
    network = make("torchvision_resnet34").eval()
    body = network.blocks[4][0]
    shapes: list[torch.Size] = []
    body.register_forward_hook(lambda _module, _inputs, output: shapes.append(output.shape))
    network(images_for("torchvision_resnet34", 2))
    assert shapes == [(2, 512, 1, 1)]
    stem = network.blocks[0][0]
    assert (stem.kernel_size, stem.stride) == ((7, 7), (2, 2))


def test_two_heads_give_features_and_a_confidence_in_one_pass() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU())
    blocks = [body, nn.Sequential(nn.Linear(6, 5), nn.ReLU()), nn.Linear(5, 3)]
    network = TwoHeads(blocks, nn.Linear(6, 1), shared=1)
    images = torch.randn(4, 3, 2, 2)
    features, confidence = network.features_and_confidence(images)
    assert torch.equal(features, network.features(images)) and network.counter.trained == 8
    assert torch.equal(confidence, network.confidence_head(body(images)).squeeze(1)) and confidence.shape == (4,)
    confidence.sum().backward()
    assert body[1].weight.grad is not None and blocks[1][0].weight.grad is None
    network.zero_grad()
    _, confidence = network.features_and_confidence(images, detached=True)
    confidence.sum().backward()
    assert body[1].weight.grad is None and network.confidence_head.weight.grad is not None
    with pytest.raises(NotImplementedError, match="no head for a confidence"):
        make("digits_cnn").features_and_confidence(images_for("digits_cnn"))


def test_a_network_is_declared_to_have_a_head_for_a_confidence_if_it_has_one() -> None:
    for entry in networks.NETWORKS:
        with torch.device("meta"):
            assert networks.build(entry.name, 10, entry.image_shape).has_confidence == entry.confidence_head, entry.name


def test_nals_vgg_has_both_heads_from_the_pooled_map() -> None:
    with torch.device("meta"):
        network = networks.build("vgg19_bn_two_heads", 10, (3, 64, 64)).eval()
        pooled = torch.zeros(2, 3, 64, 64)
        for block in network.blocks[:6]:
            pooled = block(pooled)
    assert isinstance(network, TwoHeads) and network.shared == 6
    assert pooled.shape == (2, 25088) and network.confidence_head(pooled).shape == (2, 1)
    assert network.feature_size == 4096
    for head in (network.confidence_head, nn.Sequential(*network.blocks[6:])):
        layers = [layer for layer in head.modules() if not isinstance(layer, nn.Sequential)]
        assert [type(layer) for layer in layers] == [
            nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear
        ]  # fmt: skip
        assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


def test_inception_units_are_scaled_and_the_last_is_linear() -> None:
    images = torch.randn(2, 1088, 3, 3)
    unit = _block17().eval()
    branches = unit.project(unit.branches(images))
    assert torch.allclose(unit(images), relu(images + 0.1 * branches), atol=1e-6)
    last = _block8(1.0, activated=False).eval()
    assert float(last(torch.full((1, 2080, 3, 3), -5.0)).detach().min()) < 0


def test_vgg_features_are_the_second_hidden_layer() -> None:
    with torch.device("meta"):
        network = vgg19_bn(10, (3, 64, 64))
    assert network.feature_size == 4096
    assert [len([m for m in block.modules() if isinstance(m, nn.Conv2d)]) for block in network.blocks] == [
        2, 2, 4, 4, 4, 0, 0, 0
    ]  # fmt: skip


def test_small_network_memorises_random_labels() -> None:
    torch.manual_seed(0)
    network = networks.build("digits_cnn", 10, (1, 8, 8), channels_last=True)
    images, labels = torch.randn(64, 1, 8, 8), torch.randint(10, (64,))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimizer.step()
    assert float((network.eval()(images).argmax(1) == labels).float().mean()) == 1.0


# --- pretrained weights --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def resnet50_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision's cache holds it, with weights of our own making."""
    models = torchvision_import.import_torchvision("torchvision.models")
    folder = tmp_path_factory.mktemp("hub") / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(models.resnet50().state_dict(), folder / "resnet50-0676ba61.pth")
    return folder / "resnet50-0676ba61.pth"


def test_pretrained_weights_from_cache_and_file(resnet50_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(resnet50_weights.parents[2]))
    stored = torch.load(resnet50_weights, weights_only=True)
    for options in ({}, {"weights": resnet50_weights}):
        network = networks.build("resnet50", 14, (3, 64, 64), pretrained=True, **options)
        assert torch.equal(network.blocks[0][0].weight, stored["conv1.weight"])
        assert torch.equal(network.blocks[4][0][2].bn3.running_var, stored["layer4.2.bn3.running_var"])
        assert network.blocks[-1].weight.shape == (14, 2048)
        assert network.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 14)


def test_pretrained_faults_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    text, other = tmp_path / "text.pth", tmp_path / "other.pth"
    text.write_text("not weights")
    torch.save({"conv1.weight": torch.zeros(1)}, other)
    cases = [(None, "resnet50-0676ba61.pth"), (text, "no file of weights"), (other, "of another network")]
    for weights, expected in cases:
        with pytest.raises(UserError) as caught:
            networks.build("resnet50", 10, (3, 64, 64), pretrained=True, weights=weights)
        assert expected in str(caught.value) and "\n" not in str(caught.value)


# --- torchvision and torch.compile ------------------------------------------------------------------------------------


def test_torchvision_opens_in_a_fresh_process() -> None:
    code = (
        "from datasets.torchvision_import import import_torchvision as door\n"
        "transforms = door('torchvision.transforms.v2')\n"
        "assert door('torchvision.models').resnet50 and door() is door() and transforms.CenterCrop(2)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_other_import_faults_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_torchvision.py").write_text("raise RuntimeError('something else')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="something else"):
        torchvision_import.import_torchvision("broken_torchvision")


@pytest.mark.slow
def test_compiled_blocks_compute_the_same() -> None:
    plain = make("digits_cnn").eval()
    compiled = copy.deepcopy(plain).prepare(compiled=True)
    images = images_for("digits_cnn", 16)
    assert torch.allclose(compiled(images), plain(images), atol=1e-5)
    other = copy.deepcopy(compiled)
    with torch.no_grad():
        other.blocks[-1].bias.add_(1)
        other.blocks[0][0].weight.mul_(2)
    assert not torch.allclose(other(images), compiled(images) + 1, atol=1e-3)
    assert torch.allclose(compiled(images[:5]), plain(images[:5]), atol=1e-5)
    compiled(images).sum().backward()
    assert all(parameter.grad is not None for parameter in compiled.parameters())
