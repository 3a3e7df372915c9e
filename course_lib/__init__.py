"""The library of the course: attention, BERT and its family, small enough to read.

The notebooks build these definitions step by step; the finished text in a notebook is the
text here. Nothing is imported on `import course_lib`: take what you need by module,
for example `from course_lib.attention import MultiHeadAttention`.
"""

__version__ = "0.1.0"
