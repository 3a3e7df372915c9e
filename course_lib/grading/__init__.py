"""Exercises made from solutions, and the grader."""
