"""How to minimise: solvers of a `skl2net.problem.Problem`, which never see a layer.

Each is a small object with ``minimise(problem, parameters, training, run) -> parameters, run``, where `run` is what a
warm start continues; `training` says what all of them record and when they stop.
"""
