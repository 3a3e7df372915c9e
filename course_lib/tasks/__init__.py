"""Tasks for fine-tuning: texts, words and questions as rows, and the figures that judge answers."""
