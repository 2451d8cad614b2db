"""Going back to the last good checkpoint where a training has become NaN or infinite, without the batch that did it.

Losses are read a few times a second, and parameters before an evaluation, so which step did it is not known when it is
noticed. The run goes back twice: first to make the same steps again and look at each (`Rollbacks.watched_until`), then
to make them without the batch that is found (`Rollbacks.skipped`). Both are part of its state, so that a run which is
killed on the way resumes bit for bit. What it computes does not depend on when its checkpoints were saved, but for a
run that ends because both are newer than what is to be left out.

A batch of large but finite numbers ruins the weights, and only the next loss shows it. To leave out that next batch
does not help: the one after it shows the same. So where what is found follows directly on what is left out already, as
many steps before that are left out, too. (Chowdhery et al., 2022, arXiv:2204.02311, section 5.1, restart about 100
steps before a spike of the loss and leave out 200 to 500 batches, by hand.)
"""

from dataclasses import dataclass, replace

from hasten.base.records.run import Progress


@dataclass(frozen=True)
class Rollbacks:
    """What a run has gone back for so far, and which batches it leaves out because of it.

    Args:
        made: how often something that is not finite was noticed.
        watched_until: the step up to which losses and parameters are looked at after each step.
        skipped: first and last step, from 1, of each stretch whose batches are left out; the newest last.
    """

    made: int = 0
    watched_until: int = 0
    skipped: tuple[tuple[int, int], ...] = ()

    def skips(self, step: int) -> bool:
        """Return whether the batch of a step, from 1, is left out."""
        return any(first <= step <= last for first, last in self.skipped)

    def proven(self, step: int) -> bool:
        """Return whether a step, from 1, comes after all that is left out: made, it shows that this was enough."""
        return not self.skipped or step > self.skipped[-1][1]

    @property
    def steps_skipped(self) -> int:
        """Number of steps whose batches are left out."""
        return len({step for first, last in self.skipped for step in range(first, last + 1)})

    def found(self, progress: Progress) -> "tuple[Rollbacks, int]":
        """Return what follows from a report of steps after which something is not finite.

        Returns:
            The rollbacks with this one, and the most steps that the checkpoint to go back to may have made.
        """
        if progress.step > self.watched_until:
            again = replace(self, made=self.made + 1, watched_until=progress.step)
            return again, first_bad_step(progress) - 1
        first, others = progress.step - len(progress.losses) + 1, self.skipped
        if others and others[-1][1] + 1 == first:
            begin, end = others[-1]
            first, others = max(1, begin - (end - begin + 1)), others[:-1]
        without = replace(self, watched_until=progress.step, skipped=(*others, (first, progress.step)))
        return without, first - 1


def first_bad_step(progress: Progress) -> int:
    """Return the first step whose loss is not finite; the last one where it is the parameters that are not."""
    losses = progress.losses
    return progress.step - len(losses) + losses.index(None) + 1 if None in losses else progress.step
