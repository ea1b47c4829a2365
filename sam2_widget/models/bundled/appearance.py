"""The appearance of an object and its surroundings: a linear classifier of network features.

It is fitted by regularised least squares. So only two sums of products are stored for a frame,
whose size depends on neither the frame nor the object; those of several frames are added. The fit
has a closed form: the same sums give the same classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

REGULARISATION = 0.05
"""Regularisation as a fraction of the features' mean square."""


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """The sums stored for one frame, or for several.

    Attributes
    ----------
    products : (D, D) float32 Tensor
        Products of the features with each other, summed over the cells.
    targets : (D,) float32 Tensor
        Products of the features with +1 inside the object and -1 outside, summed over the cells.
    """

    products: Tensor
    targets: Tensor

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return self.products.nbytes + self.targets.nbytes

    @classmethod
    def of(cls, features: Tensor, inside: Tensor) -> Appearance:
        """The sums of one frame.

        Parameters
        ----------
        features : (N, D) float32 Tensor
            Features of its cells, see `features_of`.
        inside : (N,) float32 Tensor
            Probability of each cell to be inside the object, 0 to 1. Uncertain ones count little.
        """
        sure = (2 * inside - 1).abs()
        # Object and surroundings have the same total weight, whatever their sizes.
        object_, ground = sure * inside, sure * (1 - inside)
        counts = object_ / object_.sum().clamp(1) + ground / ground.sum().clamp(1)
        weighted = features * (counts / 2)[:, None]
        return cls(weighted.T @ features, weighted.T @ (2 * inside - 1))

    @classmethod
    def mean(cls, several: Sequence[Appearance]) -> Appearance:
        """The mean of several frames."""
        products = torch.stack([one.products for one in several]).mean(0)
        return cls(products, torch.stack([one.targets for one in several]).mean(0))

    def mixed(self, other: Appearance, share: float) -> Appearance:
        """The weighted mean with another one, whose weight is `share`."""
        products = torch.lerp(self.products, other.products, share)
        return Appearance(products, torch.lerp(self.targets, other.targets, share))

    def classifier(self) -> Tensor:
        """(D,) weights: features times these are about +1 inside the object and -1 outside."""
        strength = REGULARISATION * self.products.diagonal().mean()
        regularised = self.products + strength * torch.eye(len(self.targets))
        weights: Tensor = torch.linalg.solve(regularised, self.targets)
        return weights


def features_of(maps: Sequence[Tensor], side: int) -> Tensor:
    """Feature maps of any size, each (1, C, h, w), as one row for each of side x side cells.

    The last feature is 1, for the classifier's bias.
    """
    scaled = [
        functional.interpolate(one.float().cpu(), (side, side), mode="bilinear") for one in maps
    ]
    constant = torch.ones(1, 1, side, side)
    return torch.cat([*scaled, constant], dim=1)[0].flatten(1).T.contiguous()
