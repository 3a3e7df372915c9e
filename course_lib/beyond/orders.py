"""XLNet's idea: predict the words in any order, with masks alone.

Source: Yang et al. 2019 (arXiv:1906.08237), sections 2.2 and 2.3.

Axes: T tokens. A mask's row is the place that looks, its column the place looked at.
"""

import torch
from torch import Tensor


def order_masks(order: Tensor) -> tuple[Tensor, Tensor]:
    """order (T,): the places in the order in which they are predicted -> two masks (T, T), True =
    may look. Content: a place sees itself and all that came before it in the order. Query: only
    what came before, as the word itself is to be predicted."""
    turn = torch.empty_like(order)
    turn[order] = torch.arange(len(order))  # turn[place]: when it is predicted
    content = turn[None, :] <= turn[:, None]
    return content, content & ~torch.eye(len(order), dtype=torch.bool)


def two_streams(order: Tensor) -> Tensor:
    """One mask (2T, 2T) for a row of T words followed by T blanks with the same places: the words
    are the content stream, the blanks the query stream. Nobody looks at a blank but itself."""
    content, query = order_masks(order)
    nothing, itself = torch.zeros_like(content), torch.eye(len(order), dtype=torch.bool)
    return torch.cat([torch.cat([content, nothing], 1), torch.cat([query, itself], 1)])
