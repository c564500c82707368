"""Where a network errs although it is sure: the evidence for wrong labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from tintype.rules.answers import Answers

LEAST_SAMPLES = 100
SURE = 1.645                            # one-sided 95 %
LEVEL = 0.45                            # errors among the surest, as a share of those among the fairly sure
RANDOM_RANK = 0.33                      # 0.5 is chance; a network in doubt has the label as its second guess, at 0
SPREAD_RANK = 0.22
SETTLED = 0.08                          # rise of the accuracy from the older to the newer half
COMPETENT = 0.3                         # accuracy above the share of the most frequent class
AS_SURE = 0.1                           # of the logarithm
FEWER = 3.0                             # standard errors


@final
@dataclass(frozen=True)
class ConfidentErrors:
    """Errors among the fifth of which a network is surest, and among the rest of the surer half."""

    surest: int                         # samples in the surest fifth
    wrong: int                          # of them answered differently from their label
    share: float                        # wrong / surest
    share_next: float                   # the same of the next 30 %
    rank: float                         # mean place of the label: 0 second guess, 1 last; NaN without errors
    rank_error: float                   # its standard error
    lead: float                         # accuracy over all, less the share of the most frequent class
    rise: float                         # accuracy of the newer half of the samples, less that of the older half
    sureness: float                     # mean of the largest probability of each sample

    @classmethod
    def of(cls, answers: Answers) -> ConfidentErrors:
        """Of at least `LEAST_SAMPLES` samples."""
        order = np.argsort(-answers.probabilities.max(axis=1), kind="stable")
        wrong = (answers.predicted != answers.labels)[order]
        fifth, half = len(order) // 5, len(order) // 2
        ranks = _ranks(answers)[order[:half]][wrong[:half]] if answers.classes > 2 else np.zeros(0)
        lead = answers.right - float(np.bincount(answers.labels).max() / len(answers))
        right = answers.predicted == answers.labels
        middle = len(right) // 2
        return cls(
            fifth,
            int(wrong[:fifth].sum()),
            float(wrong[:fifth].mean()),
            float(wrong[fifth:half].mean()),
            float(ranks.mean()) if len(ranks) else math.nan,
            float(ranks.std() / math.sqrt(len(ranks))) if len(ranks) else math.inf,
            lead,
            float(right[middle:].mean() - right[:middle].mean()),
            float(answers.probabilities.max(axis=1).mean()),
        )

    @property
    def at_least(self) -> float:
        """The lower 95 % bound of `share` (Wilson's)."""
        n, z = self.surest, SURE
        middle = self.share + z * z / (2 * n)
        width = z * math.sqrt(self.share * (1 - self.share) / n + (z / n) ** 2 / 4)
        return (middle - width) / (1 + z * z / n)

    @property
    def is_level(self) -> bool:
        """Being sure hardly helps, as is so when the labels and not the answers are wrong."""
        return self.share >= LEVEL * self.share_next

    @property
    def is_competent(self) -> bool:
        """The network has learned something of the classes."""
        return self.lead > COMPETENT

    @property
    def labels_are_random(self) -> bool:
        """The labels of the errors are as likely the last guess as the second."""
        return self.rank - self.rank_error > RANDOM_RANK

    @property
    def labels_are_spread(self) -> bool:
        """The labels of the errors are not mostly the second guess; with two classes there is no other."""
        return math.isnan(self.rank) or self.rank > SPREAD_RANK

    @property
    def is_settled(self) -> bool:
        """The network did not learn much while the samples were answered."""
        return self.rise < SETTLED

    def is_as_sure_as(self, other: ConfidentErrors) -> bool:
        """The images are as clear to the network as others are; destroyed ones, or what dropout leaves, are not."""
        return abs(math.log(self.sureness / other.sureness)) < AS_SURE

    def exceed(self, other: ConfidentErrors | None) -> bool:
        """Far more errors among the surest than `other` has."""
        if other is None:
            return False
        pooled = (self.wrong + other.wrong) / (self.surest + other.surest)
        error = math.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / self.surest + 1 / other.surest))
        return self.share > 0.08 and self.share - other.share > FEWER * error


def _ranks(answers: Answers) -> np.ndarray:
    """For each sample, the share of the other classes, without the answer, that are likelier than the label."""
    own = answers.scores[np.arange(len(answers)), answers.labels][:, None]
    return np.maximum((answers.scores > own).sum(axis=1) - 1, 0) / (answers.classes - 2)
