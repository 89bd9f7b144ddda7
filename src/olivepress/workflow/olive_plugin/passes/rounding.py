"""Weights rounded to a few bits so that what a layer computes changes least: scales by search, columns by GPTQ.

Pure functions of tensors; Olive's part is in ``calibrated_gptq``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

__all__ = ["dequantize", "gptq", "search_scales"]

_RATIOS = 25  # scales tried for each group and sign
_REFITS = 2  # of the best of them, by least squares
_COLUMNS = 128  # rounded before the columns behind them are corrected, as in the reference implementation
_SEARCHED = 1 << 18  # weights at a time: the dozens of intermediates of a search then stay in a processor's caches


def search_scales(
    weight: torch.Tensor, importance: torch.Tensor, *, bits: int, group_size: int, symmetric: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point of each group that lose least: the sum of importance · (weight - rounded)² over the group.

    ``weight`` [out, in] float32, ``importance`` [in], the mean square of each input; ``group_size`` divides in. Returns
    scales [out, in / group_size] float32 and zero points int32 of the same shape, for unsigned values from 0 to
    2^bits - 1. A symmetric group has the zero point 2^(bits - 1), one more value below it than above, and a scale of
    either sign, so that the weight of largest magnitude may take that value: as in llama.cpp's Q4_0, and with a search
    as in AWQ's clipping (Lin et al., 2024, arXiv:2306.00978, section 3.2) or GGML's make_qx_quants.
    """
    parts = [
        _search(rows.reshape(len(rows), -1, group_size), importance.reshape(-1, group_size), bits, symmetric)
        for rows in torch.split(weight, max(1, _SEARCHED // weight.shape[1]))
    ]
    scales, zero_points = (torch.cat([part[index] for part in parts]) for index in (0, 1))
    return scales, zero_points.to(torch.int32)


def _search(
    groups: torch.Tensor, importance: torch.Tensor, bits: int, symmetric: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """[out, groups, group size] → scales and zero points [out, groups], of the candidates the best for each group."""
    candidates = _symmetric(groups, bits) if symmetric else _asymmetric(groups, bits)
    best_scales, best_zeros = next(candidates)
    least = _loss(groups, importance, best_scales, best_zeros, bits)
    for scales, zeros in candidates:
        loss = _loss(groups, importance, scales, zeros, bits)
        better = loss < least
        least = torch.where(better, loss, least)
        best_scales, best_zeros = torch.where(better, scales, best_scales), torch.where(better, zeros, best_zeros)
    for _ in range(_REFITS):
        scales = _least_squares(groups, importance, best_scales, best_zeros, bits)
        loss = _loss(groups, importance, scales, best_zeros, bits)
        best_scales, least = torch.where(loss < least, scales, best_scales), torch.minimum(loss, least)
    return best_scales, best_zeros


def _least_squares(
    groups: torch.Tensor, importance: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor, bits: int
) -> torch.Tensor:
    """The scales that fit best to what the weights were rounded to."""
    steps = _round(groups, scales[..., None], zeros[..., None], bits) / scales[..., None]
    above, below = (groups * steps * importance).sum(-1), (steps.square() * importance).sum(-1)
    return torch.where(above * below == 0, scales, above / below)


def _symmetric(groups: torch.Tensor, bits: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    middle = 2 ** (bits - 1)
    largest = groups.abs().amax(-1)
    largest = torch.where(largest == 0, torch.ones_like(largest), largest)
    zeros = torch.full_like(largest, middle)
    yield largest / (middle - 0.5), zeros  # Olive's own: the first, so that nothing is worse than it
    for ratio in torch.linspace(0.6, 1.2, _RATIOS).tolist():
        for sign in (1.0, -1.0):
            yield sign * ratio * largest / middle, zeros


def _asymmetric(groups: torch.Tensor, bits: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    most = 2**bits - 1
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    width = high - low
    width = torch.where(width == 0, torch.ones_like(width), width)
    for ratio in (1.0, *torch.linspace(0.5, 0.98, _RATIOS).tolist()):
        scales = ratio * width / most
        yield scales, torch.round(-ratio * low / scales).clamp(0, most)


def _loss(
    groups: torch.Tensor, importance: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor, bits: int
) -> torch.Tensor:
    rounded = _round(groups, scales[..., None], zeros[..., None], bits)
    return ((rounded - groups).square() * importance).sum(-1)


def _round(values: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor, bits: int) -> torch.Tensor:
    return (torch.round(values / scales + zeros).clamp(0, 2**bits - 1) - zeros) * scales


def dequantize(
    weight: torch.Tensor, scales: torch.Tensor, zero_points: torch.Tensor, *, bits: int, group_size: int
) -> torch.Tensor:
    """``weight`` [out, in] rounded to the nearest value of its group."""
    groups = weight.reshape(len(weight), -1, group_size)
    return _round(groups, scales[..., None], zero_points[..., None], bits).reshape(weight.shape)


def gptq(
    weight: torch.Tensor,
    hessian: torch.Tensor,
    scales: torch.Tensor,
    zero_points: torch.Tensor,
    *,
    bits: int,
    group_size: int,
    damping: float,
) -> torch.Tensor:
    """``weight`` [out, in] rounded column by column, what each loses made up for by those not yet rounded.

    GPTQ (Frantar et al., 2023, arXiv:2210.17323, algorithm 1) in the order of falling activations, with groups that
    stay where they are ("static groups" of its reference implementation): any runtime of grouped weights computes the
    result. ``hessian`` [in, in] is the mean of 2·x·xᵀ over the inputs, damped by ``damping`` times its mean diagonal.
    The weights of an input that is zero in all of them are rounded to the nearest value. Returns float32 [out, in],
    each value on the grid of its group. torch.linalg.LinAlgError when the damped Hessian is not positive definite, in
    double precision either.
    """
    hessian, weight = hessian.clone(), weight.clone()
    unused = hessian.diag() == 0
    hessian[unused, unused] = 1
    hessian.diagonal().add_(damping * hessian.diag().mean())
    order = torch.argsort(hessian.diag(), descending=True)
    factor = _inverse_factor(hessian[order][:, order])
    ordered = weight[:, order]
    # Columns as rows, whose numbers are neighbours in memory: three times as fast, the same numbers.
    groups, scales, zero_points = order // group_size, scales.T.contiguous(), zero_points.T.contiguous()
    for first in range(0, len(order), _COLUMNS):
        last = min(first + _COLUMNS, len(order))
        columns, near = ordered[:, first:last].T.contiguous(), factor[first:last, first:last]
        errors = torch.zeros_like(columns)
        for place, group in enumerate(groups[first:last].tolist()):
            rounded = _round(columns[place], scales[group], zero_points[group], bits)
            errors[place] = (columns[place] - rounded) / near[place, place]
            columns[place + 1 :] -= torch.outer(near[place, place + 1 :], errors[place])
            columns[place] = rounded
        ordered[:, first:last] = columns.T
        ordered[:, last:] -= errors.T.contiguous() @ factor[first:last, last:]
    return ordered[:, torch.argsort(order)]


def _inverse_factor(hessian: torch.Tensor) -> torch.Tensor:
    """The upper Cholesky factor of its inverse; in double precision where single does not do."""
    try:
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
        factor: torch.Tensor = torch.linalg.cholesky(inverse, upper=True)
    except RuntimeError:  # torch.linalg.LinAlgError, which its stubs lack
        if hessian.dtype == torch.float64:
            raise
        return _inverse_factor(hessian.double()).to(hessian.dtype)
    return factor
