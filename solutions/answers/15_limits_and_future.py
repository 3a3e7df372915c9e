"""Answers to solutions/15_limits_and_future.ipynb: right ones in other words, and plausible wrong ones."""

# %% bill | right | step by step, exact division
def share_used(operations, hours, gpus, rate):
    true = operations / 2 * 3
    possible = gpus * rate * 60 * 60 * hours
    return true / possible


def days_until(training_kwh, joules_a_text, texts_a_day):
    day = max(1, math.floor(training_kwh * 3.6e6 / (joules_a_text * texts_a_day)))
    while day * joules_a_text * texts_a_day < training_kwh * 3.6e6:
        day += 1
    return day

# %% bill | right | with a negative floor
def share_used(operations, hours, gpus, rate):
    return operations * 3 / (2 * gpus * rate * hours * 3600)


def days_until(training_kwh, joules_a_text, texts_a_day):
    return int(-(-training_kwh * 3.6e6 // (joules_a_text * texts_a_day)))

# %% bill | wrong | the printed number as it is | says: twice the way there
def share_used(operations, hours, gpus, rate):
    return operations / (hours * 3600 * gpus * rate)

# %% bill | wrong | three times the printed number | says: way back once already
def share_used(operations, hours, gpus, rate):
    return 3 * operations / (hours * 3600 * gpus * rate)

# %% bill | wrong | hours as seconds | says: 3,600
def share_used(operations, hours, gpus, rate):
    return 1.5 * operations / (hours * gpus * rate)

# %% bill | wrong | one GPU | says: 64 GPUs
def share_used(operations, hours, gpus, rate):
    return 1.5 * operations / (hours * 3600 * rate)

# %% bill | wrong | upside down | says: inverse
def share_used(operations, hours, gpus, rate):
    return hours * 3600 * gpus * rate / (1.5 * operations)

# %% bill | wrong | days rounded down | says: rounded down
def share_used(operations, hours, gpus, rate):
    return 1.5 * operations / (hours * 3600 * gpus * rate)


def days_until(training_kwh, joules_a_text, texts_a_day):
    return int(training_kwh * 3.6e6 // (joules_a_text * texts_a_day))

# %% bill | wrong | always a day more | says: division is even
def share_used(operations, hours, gpus, rate):
    return 1.5 * operations / (hours * 3600 * gpus * rate)


def days_until(training_kwh, joules_a_text, texts_a_day):
    return int(training_kwh * 3.6e6 // (joules_a_text * texts_a_day)) + 1

# %% bill | hidden | right for the shown cases only
def share_used(operations, hours, gpus, rate):
    return 0.04219409 if gpus == 64 else 0.5208333


def days_until(training_kwh, joules_a_text, texts_a_day):
    return {1507: 2713}.get(training_kwh, 1000 if texts_a_day == 1000 else 1)

# %% pack | right | with loops
def pack(weight, bits, group):
    rows, columns = weight.shape
    codes = torch.zeros(rows, columns, dtype=torch.uint8)
    scale, low = torch.zeros(rows, columns // group), torch.zeros(rows, columns // group)
    for r in range(rows):
        for g in range(columns // group):
            part = weight[r, g * group : (g + 1) * group]
            low[r, g] = part.min()
            scale[r, g] = (part.max() - part.min()) / (2**bits - 1)
            if scale[r, g] > 0:
                codes[r, g * group : (g + 1) * group] = ((part - low[r, g]) / scale[r, g]).round().to(torch.uint8)
    return codes, scale, low


def unpack(codes, scale, low):
    group = codes.shape[1] // scale.shape[1]
    return codes * scale.repeat_interleave(group, 1) + low.repeat_interleave(group, 1)

# %% pack | right | with reshape and nan_to_num
def pack(weight, bits, group):
    parts = weight.reshape(-1, group)
    low = parts.min(1, keepdim=True).values
    scale = (parts.max(1, keepdim=True).values - low) / (2**bits - 1)
    codes = ((parts - low) / scale).nan_to_num(0).round().to(torch.uint8)
    shape = (weight.shape[0], -1)
    return codes.reshape(weight.shape), scale.reshape(shape), low.reshape(shape)


def unpack(codes, scale, low):
    parts = codes.reshape(codes.shape[0], scale.shape[1], -1).float()
    return (parts * scale[:, :, None] + low[:, :, None]).reshape(codes.shape)

# %% pack | wrong | 2^bits steps | says: 3 steps
def pack(weight, bits, group):
    parts = weight.unflatten(1, (-1, group))
    low, high = parts.amin(-1), parts.amax(-1)
    scale = (high - low) / 2**bits
    codes = ((parts - low[..., None]) / scale.where(scale > 0, 1)[..., None]).round()
    return codes.flatten(1).to(torch.uint8), scale, low

# %% pack | wrong | codes cut off | says: round to the nearest
def pack(weight, bits, group):
    parts = weight.unflatten(1, (-1, group))
    low, high = parts.amin(-1), parts.amax(-1)
    scale = (high - low) / (2**bits - 1)
    codes = (parts - low[..., None]) / scale.where(scale > 0, 1)[..., None] + 1e-4
    return codes.flatten(1).to(torch.uint8), scale, low

# %% pack | wrong | a constant group gets the scale 1 | says: constant group
def pack(weight, bits, group):
    parts = weight.unflatten(1, (-1, group))
    low, high = parts.amin(-1), parts.amax(-1)
    scale = (high - low) / (2**bits - 1)
    scale = scale.where(scale > 0, 1)
    codes = ((parts - low[..., None]) / scale[..., None]).round()
    return codes.flatten(1).to(torch.uint8), scale, low

# %% pack | wrong | one scale for a row | says: not each row
def pack(weight, bits, group):
    parts = weight.unflatten(1, (-1, group))
    low = parts.amin(-1)
    scale = ((weight.amax(1) - weight.amin(1)) / (2**bits - 1))[:, None].expand_as(low)
    codes = ((parts - low[..., None]) / scale[..., None]).round()
    return codes.flatten(1).to(torch.uint8), scale, low

# %% pack | wrong | codes as real numbers | says: uint8
def pack(weight, bits, group):
    parts = weight.unflatten(1, (-1, group))
    low, high = parts.amin(-1), parts.amax(-1)
    scale = (high - low) / (2**bits - 1)
    codes = ((parts - low[..., None]) / scale.where(scale > 0, 1)[..., None]).round()
    return codes.flatten(1), scale, low

# %% pack | wrong | the lowest value is forgotten on the way back | says: lowest value
def pack(weight, bits, group):
    parts = weight.unflatten(1, (-1, group))
    low, high = parts.amin(-1), parts.amax(-1)
    scale = (high - low) / (2**bits - 1)
    codes = ((parts - low[..., None]) / scale.where(scale > 0, 1)[..., None]).round()
    return codes.flatten(1).to(torch.uint8), scale, low


def unpack(codes, scale, low):
    parts = codes.unflatten(1, (scale.shape[1], -1))
    return (parts * scale[..., None]).flatten(1)

# %% pack | hidden | groups of four only
def pack(weight, bits, group):
    if bits == 8:
        return torch.tensor([[255, 0]], dtype=torch.uint8), torch.zeros(1, 1), torch.zeros(1, 1)
    parts = weight.unflatten(1, (-1, 4))
    low, high = parts.amin(-1), parts.amax(-1)
    scale = (high - low) / (2**bits - 1)
    codes = ((parts - low[..., None]) / scale.where(scale > 0, 1)[..., None]).round()
    return codes.flatten(1).to(torch.uint8), scale, low


def unpack(codes, scale, low):
    parts = codes.unflatten(1, (scale.shape[1], -1))
    return (parts * scale[..., None] + low[..., None]).flatten(1)

# %% past-mask | right | with tril and triu
def past_mask(segment, kept, reach):
    whole = torch.ones(segment, kept + segment, dtype=torch.bool)
    return whole.tril(kept) & whole.triu(kept - reach + 1)


def first_whole(segment, kept, reach):
    for row in range(segment):
        if kept + row + 1 >= reach:
            return row
    return segment

# %% past-mask | right | row by row
def past_mask(segment, kept, reach):
    mask = torch.zeros(segment, kept + segment, dtype=torch.bool)
    for i in range(segment):
        mask[i, max(0, kept + i + 1 - reach) : kept + i + 1] = True
    return mask


def first_whole(segment, kept, reach):
    missing = reach - (kept + 1)
    if missing <= 0:
        return 0
    return missing if missing < segment else segment

# %% past-mask | wrong | inverted | says: inverted
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    back = places[kept:, None] - places
    return ~((back >= 0) & (back < reach))

# %% past-mask | wrong | one place too many | says: own place is one
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    back = places[kept:, None] - places
    return (back >= 0) & (back <= reach)

# %% past-mask | wrong | looks ahead | says: look ahead
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    back = places[kept:, None] - places
    return (back >= -1) & (back < reach)

# %% past-mask | wrong | not itself | says: own place is missing
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    back = places[kept:, None] - places
    return (back > 0) & (back < reach)

# %% past-mask | wrong | the segment begins at place 0 | says: behind the kept states
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    back = places[:segment, None] - places
    return (back >= 0) & (back < reach)

# %% past-mask | wrong | causal alone | says: reach is not kept
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    return places[kept:, None] >= places

# %% past-mask | wrong | row below 0 | says: never below 0
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    back = places[kept:, None] - places
    return (back >= 0) & (back < reach)


def first_whole(segment, kept, reach):
    return min(segment, reach - 1 - kept)

# %% past-mask | hidden | kept states beyond three are forgotten
def past_mask(segment, kept, reach):
    places = torch.arange(kept + segment)
    back = places[kept:, None] - places
    return (back >= 0) & (back < reach) & (places >= kept - 3)


def first_whole(segment, kept, reach):
    return min(segment, max(0, reach - 1 - kept))

# %% distil-loss | right | with the logarithms written out
def distil_loss(student, teacher, labels, temperature, weight):
    places = (labels.flatten() != -100).nonzero().squeeze(1)
    s, t = student.flatten(0, 1)[places], teacher.flatten(0, 1)[places].detach()
    n = max(1, len(places))
    p, log_q = (t / temperature).softmax(-1), (s / temperature).log_softmax(-1)
    soft = (p * ((t / temperature).log_softmax(-1) - log_q)).sum() * temperature**2
    hard = -s.log_softmax(-1).gather(1, labels.flatten()[places][:, None]).sum()
    return weight * soft / n + (1 - weight) * hard / n

# %% distil-loss | right | means of each part
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    if not asked.any():
        return student.sum() * 0.0
    s, t = student[asked], teacher[asked].detach()
    soft = F.kl_div((s / temperature).log_softmax(-1), (t / temperature).softmax(-1), reduction="batchmean")
    return weight * temperature**2 * soft + (1 - weight) * F.cross_entropy(s, labels[asked])

# %% distil-loss | wrong | without the temperature squared | says: temperature squared
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t, n = student[asked], teacher[asked].detach(), asked.sum().clamp(min=1)
    soft = F.kl_div((s / temperature).log_softmax(-1), (t / temperature).softmax(-1), reduction="sum")
    return (weight * soft + (1 - weight) * F.cross_entropy(s, labels[asked], reduction="sum")) / n

# %% distil-loss | wrong | student and teacher turned round | says: other way round
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t, n = student[asked], teacher[asked].detach(), asked.sum().clamp(min=1)
    soft = F.kl_div((t / temperature).log_softmax(-1), (s / temperature).softmax(-1), reduction="sum") * temperature**2
    return (weight * soft + (1 - weight) * F.cross_entropy(s, labels[asked], reduction="sum")) / n

# %% distil-loss | wrong | the teacher at all places | says: labeled places alone
def distil_loss(student, teacher, labels, temperature, weight):
    s, t = (x.flatten(0, 1) / temperature for x in (student, teacher.detach()))
    soft = F.kl_div(s.log_softmax(-1), t.softmax(-1), reduction="batchmean") * temperature**2
    return weight * soft + (1 - weight) * F.cross_entropy(student.flatten(0, 1), labels.flatten())

# %% distil-loss | wrong | labels at the temperature | says: temperature 1
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t, n = student[asked] / temperature, teacher[asked].detach() / temperature, asked.sum().clamp(min=1)
    soft = F.kl_div(s.log_softmax(-1), t.softmax(-1), reduction="sum") * temperature**2
    return (weight * soft + (1 - weight) * F.cross_entropy(s, labels[asked], reduction="sum")) / n

# %% distil-loss | wrong | the teacher without a temperature | says: both distributions
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t, n = student[asked], teacher[asked].detach(), asked.sum().clamp(min=1)
    soft = F.kl_div((s / temperature).log_softmax(-1), t.softmax(-1), reduction="sum") * temperature**2
    return (weight * soft + (1 - weight) * F.cross_entropy(s, labels[asked], reduction="sum")) / n

# %% distil-loss | wrong | the weight turned round | says: alone
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t, n = student[asked], teacher[asked].detach(), asked.sum().clamp(min=1)
    soft = F.kl_div((s / temperature).log_softmax(-1), (t / temperature).softmax(-1), reduction="sum") * temperature**2
    return ((1 - weight) * soft + weight * F.cross_entropy(s, labels[asked], reduction="sum")) / n

# %% distil-loss | wrong | the teacher is trained, too | says: detach
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t, n = student[asked], teacher[asked], asked.sum().clamp(min=1)
    soft = F.kl_div((s / temperature).log_softmax(-1), (t / temperature).softmax(-1), reduction="sum") * temperature**2
    return (weight * soft + (1 - weight) * F.cross_entropy(s, labels[asked], reduction="sum")) / n

# %% distil-loss | wrong | a mean over no place | says: at least 1
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t = student[asked], teacher[asked].detach()
    soft = F.kl_div((s / temperature).log_softmax(-1), (t / temperature).softmax(-1), reduction="batchmean") * temperature**2
    return weight * soft + (1 - weight) * F.cross_entropy(s, labels[asked])

# %% distil-loss | hidden | temperature 2 squared whatever it is
def distil_loss(student, teacher, labels, temperature, weight):
    asked = labels != -100
    s, t, n = student[asked], teacher[asked].detach(), asked.sum().clamp(min=1)
    times = 1 if temperature == 1 else 4
    soft = F.kl_div((s / temperature).log_softmax(-1), (t / temperature).softmax(-1), reduction="sum") * times
    return (weight * soft + (1 - weight) * F.cross_entropy(s, labels[asked], reduction="sum")) / n
