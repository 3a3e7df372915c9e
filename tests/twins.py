"""Our models and those of `transformers` with the same random weights, and batches for both."""

import torch

from course_lib import pretrained
from course_lib.heads import IGNORED

CLOSE = dict(rtol=0, atol=1e-5)


def randomized(model, seed=0):
    """Give every weight, bias and norm a random value: zeros and ones would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(1 + 0.2 * noise if "norm.weight" in name else 0.2 * noise)
    return model.eval()


def twins(ours, theirs, folder):
    """Our model with random weights, and the class `theirs` of `transformers` with the same."""
    pretrained.save(randomized(ours), folder)
    twin, report = theirs.from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return ours, twin.eval()


def batch(config, sequences=3, length=14, seed=1):
    """Random pairs with padding on the right, and labels for both losses."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, config.vocab_size, (sequences, length), generator=generator)
    segments = (torch.arange(length) > length // 2).long().repeat(sequences, 1)
    lengths = torch.tensor([length, length - 3, length - 6])[:sequences]
    real = torch.arange(length) < lengths[:, None]
    inputs = dict(input_ids=torch.where(real, ids, config.pad_token_id),
                  token_type_ids=(segments * real).clamp(max=config.type_vocab_size - 1),
                  attention_mask=real.long())  # fmt: skip
    chosen = (torch.rand(ids.shape, generator=generator) < 0.3) & real
    chosen[:, 1] = True
    return inputs, torch.where(chosen, ids, IGNORED)
