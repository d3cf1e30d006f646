"""Evaluates many points fast: plans, the planner that measures plans, and the engine that follows a plan.

A plan changes the time of a run, and its values by no more than rounding. `layers/` makes single layers faster if many
points share the samples.
"""

from fastscape.engine.comparison import Comparison
from fastscape.engine.differentiating import differentiated
from fastscape.engine.engine import Engine
from fastscape.engine.evaluator import Evaluator
from fastscape.engine.gpu_rules import plan_begun_on_gpu, plan_fitted_on_gpu
from fastscape.engine.graphs import engine_for
from fastscape.engine.plan import Plan
from fastscape.engine.plan_rules import plan_begun, plan_recut, plan_settled, plan_shared, plan_sized
from fastscape.engine.precision_error import error_of, values_at_some
from fastscape.engine.probing import widest
from fastscape.engine.single_points import one_by_one

__all__ = [
    "Comparison",
    "Engine",
    "Evaluator",
    "Plan",
    "differentiated",
    "engine_for",
    "error_of",
    "one_by_one",
    "plan_begun",
    "plan_begun_on_gpu",
    "plan_fitted_on_gpu",
    "plan_recut",
    "plan_settled",
    "plan_shared",
    "plan_sized",
    "values_at_some",
    "widest",
]
