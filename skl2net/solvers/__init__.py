"""How to minimise: solvers of a `skl2net.problem.Problem`, which never see a layer.

`base` says what a solver is. `gradient` (with the `optimisers` SGD and Adam), `lbfgs` and `swarm` are the solvers. They
report each finished iteration to a `monitor`, which keeps the `curves` and applies the `stopping` rule.
"""
