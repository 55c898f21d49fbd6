"""What int8 will do to a student, told while it can still learn: linear layers with rounded weights and inputs.

The scheme is that of `export.py`: weights of 7 bits with a scale for each output channel, inputs of 8 bits whose range
is that of the whole tensor, as onnxruntime's dynamic quantisation finds it. Gradients pass through the rounding
unchanged (the straight-through estimator, Bengio et al. 2013).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

WEIGHT_LEVELS = 64  # on each side of zero
INPUT_LEVELS = 255


@contextmanager
def rounding(network: nn.Module) -> Iterator[None]:
    """Inside, every linear layer of `network` computes as its int8 export will; its weights stay what they are."""
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    hooks = [module.register_forward_pre_hook(_rounded_input) for module in linear]
    for module in linear:
        parametrize.register_parametrization(module, "weight", _RoundedWeight())
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for module in linear:
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)


class _RoundedWeight(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        scale = weight.detach().abs().amax(1).clamp_min(1e-8) / WEIGHT_LEVELS
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -WEIGHT_LEVELS, WEIGHT_LEVELS)


def _rounded_input(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    values = inputs[0].float()
    low, high = torch.aminmax(values.detach())
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = (high - low).clamp_min(1e-8) / INPUT_LEVELS
    zero = (-low / scale).round().to(torch.int32)
    return torch.fake_quantize_per_tensor_affine(values, scale, zero, 0, INPUT_LEVELS)
