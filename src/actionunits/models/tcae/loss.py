"""Losses of TCAE, Eq. (1) to (6), and that of the linear probe (Sec. 4.1).

Eq. (1) to (6) are sums over one pair, as printed, one value per row; `model` divides them by the numbers of elements
that Sec. 4.1 names.

Symbols: T displacement, I picture, phi AU vector, psi pose vector, s source, t target; B batch, D features, A AUs.
"""

from __future__ import annotations

from torch import Tensor


def sparsity_loss(t: Tensor) -> Tensor:
    """Sum over all places of |T_xy|_1, (B, H, W, 2) -> (B,). Eq. (1)."""
    return t.abs().sum((1, 2, 3))


def reconstruction_loss(generated: Tensor, original: Tensor) -> Tensor:
    """|generated - original|_1, (B, 3, H, W) -> (B,). Eq. (2) of T(I_s) and I_t."""
    return (generated - original).abs().sum((1, 2, 3))


def cycle_loss(returned: Tensor, source: Tensor) -> Tensor:
    """|T^-1(T(I_s)) - I_s|_1, (B, 3, H, W) -> (B,). Eq. (3) of the AU cycle, Eq. (4) of the pose cycle."""
    return (returned - source).abs().sum((1, 2, 3))


def embedding_loss(kept: Tensor, kept_source: Tensor, changed: Tensor, changed_target: Tensor) -> Tensor:
    """|kept - kept_source|^2 + |changed - changed_target|^2, all (B, D) -> (B,).

    Eq. (5) of the AU-changed face: its psi stays psi_s, its phi becomes phi_t. Eq. (6) of the pose-changed one: its
    phi stays phi_s, its psi becomes psi_t.
    """
    return ((kept - kept_source) ** 2).sum(1) + ((changed - changed_target) ** 2).sum(1)
