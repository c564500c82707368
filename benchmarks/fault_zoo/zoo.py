"""All trainings of the zoo by name."""

from __future__ import annotations

from benchmarks.fault_zoo import faults_of_data, faults_of_initialisation, faults_of_learning_rate, faults_of_loop
from benchmarks.fault_zoo.foreign import faults as foreign_faults
from benchmarks.fault_zoo.foreign import healthy as foreign_healthy
from benchmarks.fault_zoo.healthy import HEALTHY
from benchmarks.fault_zoo.training import Training
from benchmarks.fault_zoo.whole import broken_data, broken_loops, broken_networks, healthy_loops, healthy_networks
from benchmarks.fault_zoo.whole.script import trainings

FAULTS = (
    *faults_of_initialisation.FAULTS,
    *faults_of_learning_rate.FAULTS,
    *faults_of_data.FAULTS,
    *faults_of_loop.FAULTS,
)
ZOO: dict[str, Training] = {training.name: training for training in (*FAULTS, *HEALTHY)}
FOREIGN = (*foreign_faults.FAULTS, *foreign_healthy.HEALTHY)    # first seen when the rules were finished
WHOLE = trainings(broken_networks, broken_loops, broken_data, healthy_networks, healthy_loops)
