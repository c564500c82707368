"""The strategies by name, and the rule that goes with each for stopping trials."""

from __future__ import annotations

from collections.abc import Callable

from tintype.tuning.early_stopping import MedianRule, NeverStop, StopRule
from tintype.tuning.settings import EarlyStopping, StrategyName, TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.strategies.bayesian import BayesianSearch
from tintype.tuning.strategies.grid import GridSearch, counted
from tintype.tuning.strategies.hyperband import Hyperband
from tintype.tuning.strategies.random_search import RandomSearch
from tintype.tuning.strategies.strategy import Strategy


def strategy_for(settings: TuningSettings) -> Strategy:
    """The strategy that the settings name."""
    return STRATEGIES[settings.strategy](settings)


def stop_rule_for(settings: TuningSettings, strategy: Strategy) -> StopRule:
    """What decides that a trial should stop early: Hyperband itself, otherwise as `early_stopping` says."""
    if isinstance(strategy, Hyperband):
        return strategy
    return MedianRule(settings.direction) if settings.early_stopping is EarlyStopping.AUTO else NeverStop()


def _random(settings: TuningSettings) -> RandomSearch:
    return RandomSearch(settings.space, settings.seed, settings.warm_start)


def _grid(settings: TuningSettings) -> GridSearch:
    return GridSearch(counted(settings.space, settings.grid_points))


def _bayesian(settings: TuningSettings) -> BayesianSearch:
    return _bayesian_over(settings.space, settings)


def _hyperband(settings: TuningSettings) -> Hyperband:
    resource = settings.resource
    space = settings.space.pinned(resource.range_name, resource.maximum) if resource.range_name else settings.space
    return Hyperband(_bayesian_over(space, settings), resource, settings.direction)


def _bayesian_over(space: Space, settings: TuningSettings) -> BayesianSearch:
    most = settings.max_jobs or 1
    return BayesianSearch(space, settings.direction, settings.seed, most, settings.warm_start)


STRATEGIES: dict[StrategyName, Callable[[TuningSettings], Strategy]] = {
    StrategyName.BAYESIAN: _bayesian,
    StrategyName.RANDOM: _random,
    StrategyName.GRID: _grid,
    StrategyName.HYPERBAND: _hyperband,
}
