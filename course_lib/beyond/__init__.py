"""Small models for the questions at the end of the course: what BERT cannot do, and what came
beside and after it.

`fitting` is a training loop of a few lines; `writing` lets masked and left-to-right models write;
`segments` is a left-to-right model that may keep its past (Transformer-XL); `orders` has XLNet's
masks; `pictures` joins patches of a picture and words; `secrets` measures what a model has learned
by heart.
"""

from course_lib.beyond.fitting import fit, small_shape

__all__ = ["fit", "small_shape"]
