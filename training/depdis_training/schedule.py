"""Learning-rate schedules as factors of the base rate."""

from __future__ import annotations


def poly(step: int, iterations: int, *, power: float = 0.9, warm_up: int = 0) -> float:
    """(1 - step/iterations)^power, over the first `warm_up` steps times a line that rises to 1.

    step counts from 0; the last step, `iterations` - 1, still has a rate above 0.
    """
    if not 0 <= step < iterations:
        raise ValueError(f"step is 0..{iterations - 1}, got {step}")
    rise = min(1.0, (step + 1) / (warm_up + 1))
    return float(rise * (1 - step / iterations) ** power)
