"""Evaluation: recommenders side by side on the same questions, with intervals, differences and reports."""

from qa_emoji.evaluation.figures import Figure, evaluate_questions
from qa_emoji.evaluation.recommenders import Recommender, by_codes, codes_alone, images_only, ours

__all__ = ["Figure", "Recommender", "by_codes", "codes_alone", "evaluate_questions", "images_only", "ours"]
