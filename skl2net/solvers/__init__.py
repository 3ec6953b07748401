"""The solvers, which minimise a `skl2net.problem.Problem` and never see a layer.

`base` defines the interface. `gradient` (with the `optimisers` SGD and Adam), `lbfgs` and `swarm` are
the solvers. They report each finished iteration to a `monitor`, which keeps the `curves` and applies the
`stopping` rule.
"""
