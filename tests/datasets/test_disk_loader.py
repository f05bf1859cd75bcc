"""Batches of images that are files: the same whatever the workers, augmented as said, broken files named."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from joblib.externals.loky import ProcessPoolExecutor
from PIL import Image
from torch import Tensor

from datasets import disk_loader, disk_reader, resized
from datasets.base import DataError, ImageFiles
from datasets.decode import crop, decode
from datasets.disk_loader import DiskLoader, usable_workers
from datasets.disk_reader import Order, Seen
from datasets.names import Names
from tests.miniatures import picture, save

CPU = torch.device("cpu")
COUNT, RESIZE, CROP = 23, 36, 32
SETTINGS = {
    "resize": RESIZE, "crop": CROP, "crop_padding": 0, "padding_mode": "zero", "flip": True, "cutout": 0,
    "colour_jitter": 0.0, "strong_cutout": 8, "strong_colour_jitter": 0.4,
}  # fmt: skip
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ImageFiles:
    folder = tmp_path_factory.mktemp("images")
    names = [f"part {number % 3}/{number}.jpg" for number in range(COUNT)]
    for number, name in enumerate(names):
        save(folder / name, picture(number % 5, 5, number))
    return ImageFiles(folder, Names.of(names), np.arange(COUNT), np.arange(COUNT) % 5)


_opened: list[DiskLoader] = []


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def loader(files: ImageFiles, workers: int = 0, **settings: Any) -> DiskLoader:
    _opened.append(DiskLoader(files, MEAN, STD, {**SETTINGS, **settings}, CPU, workers))
    return _opened[-1]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def walk(given: DiskLoader, epoch: int = 0, views: tuple[str, ...] = ("weak",), rows: Tensor | None = None) -> Any:
    return list(given.walk(rows, 5, views, generator(epoch), generator(100 + epoch)))


def by_row(batches: Any, view: int = 0) -> Tensor:
    """The images of a walk in the order of their rows."""
    index = torch.cat([index for index, _ in batches])
    return torch.cat([views[view] for _, views in batches])[index.argsort()]


def same(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(
        torch.equal(rows, others) and all(torch.equal(a, b) for a, b in zip(views, more, strict=True))
        for (rows, views), (others, more) in zip(one, other, strict=True)
    )


def test_batches_are_the_same_bit_for_bit_with_0_1_and_2_workers(files: ImageFiles) -> None:
    found = []
    for workers in (0, 1, 2):
        given = loader(files, workers)
        passes = [walk(given, epoch, ("weak", "strong", "plain")) for epoch in (1, 2)]
        found.append([*passes, [(index, (images,)) for index, images in given.plain(7)]])
    assert all(same(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_a_walk_shows_every_row_once_in_an_order_of_the_epoch(files: ImageFiles) -> None:
    given = loader(files)
    order = [torch.cat([index for index, _ in walk(given, epoch)]).tolist() for epoch in (1, 1, 2)]
    assert sorted(order[0]) == list(range(COUNT)) and order[0] == order[1] != order[2]
    assert [len(index) for index, _ in walk(given)] == [5, 5, 5, 5, 3]
    rows = torch.tensor([3, 1, 4, 15, 9, 2])
    some = walk(given, rows=rows)
    assert [len(index) for index, _ in some] == [6]  # the one left over joins the batch before it
    assert sorted(some[0][0].tolist()) == sorted(rows.tolist())


def test_a_sample_looks_new_in_every_epoch_and_the_same_whatever_else_is_walked_over(files: ImageFiles) -> None:
    given = loader(files)
    whole, again = by_row(walk(given, 1)), by_row(walk(given, 2))
    assert (whole != again).flatten(1).any(1).float().mean() > 0.9
    part = by_row(list(given.walk(torch.tensor([4, 8]), 5, ("weak",), generator(7), generator(101))))
    assert torch.equal(part, whole[[4, 8]])


def test_views_are_what_they_are_called(files: ImageFiles) -> None:
    weak, strong, plain = (by_row(walk(loader(files), views=("weak", "strong", "plain")), view) for view in range(3))
    expected = torch.stack([crop(decode(files.path(row), RESIZE), CROP) for row in range(COUNT)]).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    assert torch.allclose(plain, (expected - mean) / std, atol=2e-6)
    assert torch.equal(plain, torch.cat([images for _, images in loader(files).plain(6)]))
    assert plain.is_contiguous(memory_format=torch.channels_last)
    assert (strong == 0).all(1).flatten(1).sum(1).min() >= 16, "a corner of the cut-out is in every image"
    assert not (weak == 0).all(1).any()


def test_weak_views_are_crops_and_mirrored_crops_of_the_resized_image(files: ImageFiles) -> None:
    image = decode(files.path(0), RESIZE)
    height, width = image.shape[1:]
    crops = {}
    for top in range(height - CROP + 1):
        for left in range(width - CROP + 1):
            cut = image[:, top : top + CROP, left : left + CROP]
            crops[cut.numpy().tobytes()] = (top, left, False)
            crops[cut.flip(2).numpy().tobytes()] = (top, left, True)
    reader = loader(files)._reader
    seen = {
        crops[reader[Order(np.array([0]), (Seen.of("weak"),), seed)].pixels[0][0].permute(2, 0, 1).numpy().tobytes()]
        for seed in range(200)
    }
    assert {top for top, _, _ in seen} == set(range(height - CROP + 1))
    assert {left for _, left, _ in seen} == set(range(width - CROP + 1))
    assert {flipped for _, _, flipped in seen} == {False, True}
    plain = loader(files, flip=False)._reader
    unflipped = (plain[Order(np.array([0]), (Seen.of("weak"),), seed)].pixels[0][0] for seed in range(50))
    assert not any(crops[pixels.permute(2, 0, 1).numpy().tobytes()][2] for pixels in unflipped)


@pytest.mark.parametrize("workers", [0, 1])
def test_walks_may_go_on_side_by_side_and_be_left_off(files: ImageFiles, workers: int) -> None:
    given = loader(files, workers)
    expected = [walk(loader(files), epoch) for epoch in (1, 2)]
    both = [iter(given.walk(None, 5, ("weak",), generator(epoch), generator(100 + epoch))) for epoch in (1, 2)]
    found = [list(pair) for pair in zip(*both, strict=True)]
    assert all(same([pair[number] for pair in found], expected[number]) for number in (0, 1))
    left = iter(given.walk(None, 5, ("weak",), generator(1), generator(101)))
    next(left)
    del left
    assert same(walk(given, 2), expected[1])
    assert len(given._feeds) == 2, "workers are used again"


def test_closing_ends_the_workers_and_a_later_walk_starts_new_ones(files: ImageFiles) -> None:
    given = loader(files, 2)
    expected = walk(given, 1)
    assert len(multiprocessing.active_children()) >= 2
    before = set(multiprocessing.active_children())
    given.close()
    assert len(before - set(multiprocessing.active_children())) == 2
    assert same(walk(given, 1), expected)


def test_reading_moves_no_global_generator(files: ImageFiles) -> None:
    for workers in (0, 1):
        torch.manual_seed(5)
        walk(loader(files, workers), views=("weak", "strong"))
        assert torch.rand(1).item() == torch.rand(1, generator=generator(5)).item()


def _daemon(queue: Any, files: ImageFiles) -> None:
    given = loader(files, workers=2)
    queue.put((given.workers, float(by_row(walk(given, 1)).sum())))


def test_a_daemonic_process_reads_itself(files: ImageFiles) -> None:
    """Dask's workers are daemonic, and such a process may have no children."""
    assert usable_workers(2) == 2
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_daemon, args=(queue, files), daemon=True)
    process.start()
    workers, total = queue.get(timeout=60)
    process.join()
    assert workers == 0 and total == float(by_row(walk(loader(files), 1)).sum())


def _with_a_reader(files: ImageFiles) -> tuple[int, float]:
    given = loader(files, workers=1)
    total = float(by_row(walk(given, 1)).sum())
    given.close()
    return given.workers, total


@pytest.mark.parametrize("room", [0, 2**20, 2**21 + 20_000, None])
def test_where_shared_memory_is_small_the_same_batches_come_another_way_and_it_is_said_once(
    files: ImageFiles, room: int | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """None: the room is gone only when a batch is to be put there. With 2 MiB and 20 kB the last batch fits."""
    views = ("weak", "strong")
    expected = [walk(loader(files), epoch, views) for epoch in (1, 2)]

    def full(self: Tensor) -> Tensor:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    if room is None:
        monkeypatch.setattr(Tensor, "share_memory_", full)
    else:
        monkeypatch.setattr(disk_reader, "room", lambda: room)
    monkeypatch.setattr(disk_loader, "_told", set())
    given = loader(files, 2)
    assert all(same(walk(given, epoch, views), expected[epoch - 1]) for epoch in (1, 2))
    [line] = capfd.readouterr().err.splitlines()
    way = "without further processes" if room == 0 else "through pipes"
    assert line.startswith("warning: /dev/shm is too small or full") and way in line


def test_a_broken_image_is_named_where_shared_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    monkeypatch.setattr(disk_reader, "room", lambda: 2**20)
    broken = ImageFiles(tmp_path, Names.of(["broken.jpg"]), np.arange(1), np.zeros(1, dtype=np.int64))
    with pytest.raises(DataError, match=r"broken\.jpg"):
        walk(loader(broken, 1))


def test_a_worker_process_of_the_scheduler_starts_readers_of_its_own(files: ImageFiles) -> None:
    """joblib's worker processes have another default way of starting processes, which torch cannot use."""
    with ProcessPoolExecutor(max_workers=1) as executor:
        workers, total = executor.submit(_with_a_reader, files).result(timeout=120)
    assert workers == 1 and total == float(by_row(walk(loader(files), 1)).sum())


@pytest.mark.cuda
def test_an_accelerator_gets_the_same_images(files: ImageFiles) -> None:
    device = torch.device("cuda")
    given = DiskLoader(files, MEAN, STD, SETTINGS, device, workers=2)
    _opened.append(given)
    here, there = walk(loader(files), 1, ("weak", "strong")), walk(given, 1, ("weak", "strong"))
    assert all(rows.is_cuda and images.is_cuda for rows, (images, _) in there)
    for view in range(2):
        assert torch.allclose(by_row(there, view).cpu(), by_row(here, view), atol=1e-5)


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(tmp_path: Path) -> None:
    """1,024 x 768 pixels, smooth, so that what is compared is not noise."""
    rows, columns = np.mgrid[:768, :1024] / 300
    values = np.stack([np.sin(rows + columns), np.cos(rows), np.sin(columns)], -1)
    image = Image.fromarray(np.uint8(127.5 + 127 * values))
    image.save(tmp_path / "large.jpg", quality=95)
    image.save(tmp_path / "large.png")
    small, whole = decode(tmp_path / "large.jpg", 96), decode(tmp_path / "large.png", 96)
    assert small.shape == whole.shape == (3, 96, 128)
    assert (small.int() - whole.int()).abs().float().mean() < 1.5
    with Image.open(tmp_path / "large.jpg") as opened:
        opened.draft("RGB", (96, 96))
        assert opened.size == (128, 96), "the decoder does most of the work"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_images_of_every_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("image.jpg" if mode in ("L", "CMYK") else "image.png")
    picture(1, 5, 1).convert("RGB").convert(mode).save(path)
    assert decode(path, 20).shape[0] == 3 and min(decode(path, 20).shape[1:]) == 20


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("fault", ["truncated", "missing", "text"])
def test_a_broken_image_is_named_in_one_line(tmp_path: Path, fault: str, workers: int) -> None:
    for number in range(4):
        save(tmp_path / f"{number}.jpg", picture(number, 5, number))
    bad = tmp_path / "2.jpg"
    if fault == "truncated":
        bad.write_bytes(bad.read_bytes()[:-200])
    elif fault == "text":
        bad.write_text("this is no image")
    else:
        bad.unlink()
    files = ImageFiles(tmp_path, Names.of(f"{number}.jpg" for number in range(4)), np.arange(4), np.arange(4))
    with pytest.raises(DataError, match=r"2\.jpg: .*(truncated|missing|unreadable).*: run `data check`") as raised:
        walk(loader(files, workers))
    assert "\n" not in str(raised.value)


def test_thumbnails_are_small_and_in_order(files: ImageFiles) -> None:
    found = loader(files).thumbnails(np.array([5, 0]))
    assert found.shape == (2, 64, 64, 3) and found.dtype == np.uint8
    assert np.array_equal(found[1], loader(files).thumbnails(np.array([0]))[0])


def test_names_are_packed_and_pickled_by_reference(tmp_path: Path) -> None:
    listed = ["a/b.jpg", "", "ünï/cödé.jpg", "z" * 300, "odd\udcff.jpg"]
    names = Names.of(listed)
    assert [names[number] for number in range(len(names))] == listed
    many = Names.of(f"images/{number:09}.jpg" for number in range(100_000))
    np.save(tmp_path / "blob.npy", many.blob)
    np.save(tmp_path / "ends.npy", many.ends)
    mapped = Names(np.load(tmp_path / "blob.npy", mmap_mode="r"), np.load(tmp_path / "ends.npy", mmap_mode="r"))
    packed = pickle.dumps(mapped)
    assert len(packed) < 1000
    assert pickle.loads(packed)[99_999] == many[99_999] == "images/000099999.jpg"


def test_copies_are_read_instead_of_the_images(tmp_path: Path, files: ImageFiles) -> None:
    copied = ImageFiles(files.folder, files.names, files.numbers, files.labels, tmp_path / "train")
    seen: list[tuple[int, int]] = []
    resized.make(copied, RESIZE, 1, lambda done, total: seen.append((done, total)))
    assert seen == [(0, COUNT), (COUNT, COUNT)]
    resized.make(copied, RESIZE, 1, lambda done, total: seen.append((done, total)))
    assert seen[2:] == [(0, 0)], "made once"
    own, read = loader(files), loader(copied, workers=1)
    index, images = next(read.plain(COUNT))
    originals = next(own.plain(COUNT))[1]
    assert index.tolist() == list(range(COUNT)) and images.shape == originals.shape
    assert 0 < (images - originals).abs().mean() < 0.1, "JPEG of quality 95: nearly, not exactly"
    part = loader(copied.take(np.array([7, 3])))
    assert torch.equal(next(part.plain(2))[1], images[[7, 3]])
    assert not list(tmp_path.glob(".*")), "no temporary file is left"
    gone = ImageFiles(files.folder, files.names, files.numbers, files.labels, tmp_path / "gone" / "train")
    with pytest.raises(DataError, match=r"the resized copies cannot be read .No such file"):
        next(loader(gone).plain(4))
