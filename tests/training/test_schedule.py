import pytest

from depdis_training.schedule import poly


def test_poly_follows_its_formula_after_the_warm_up():
    assert [poly(step, 100) for step in (0, 50, 99)] == pytest.approx([1.0, 0.5**0.9, 0.01**0.9])
    assert [poly(step, 100, warm_up=3, power=1.0) for step in (0, 1, 3)] == pytest.approx([0.25, 0.495, 0.97])


def test_steps_beyond_the_end_are_refused():
    with pytest.raises(ValueError, match=r"0\.\.9, got 10"):
        poly(10, 10)
