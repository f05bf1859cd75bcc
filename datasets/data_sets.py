"""The data sets by name. Each is a file of this package that declares it; a plug-in declares its own so too."""

from __future__ import annotations

from common.registry import Registry
from datasets import animal10n, cifar, clothing1m, digits, folder, food101n, webvision
from datasets.base import DataError
from datasets.data_contract import DataSetPlugin

DATASETS: Registry[DataSetPlugin] = Registry(
    "data set",
    (
        digits.DATA_SET, *cifar.DATA_SETS, clothing1m.DATA_SET, animal10n.DATA_SET, food101n.DATA_SET,
        webvision.DATA_SET, folder.DATA_SET,
    ),
    DataError,
)  # fmt: skip
