"""Executes printed lines in an interpreter of another library: jobs as JSON on standard input, parameters on output.

`test_peers` starts it; nothing of skl2net is imported here.
"""

import json
import sys

import numpy as np


def execute(code, scope):
    """Execute the statements of a line; the value of the last one if it is an expression."""
    *statements, last = code.split("\n")
    exec("\n".join(statements), scope)
    try:
        return eval(last, scope)
    except SyntaxError:
        exec(last, scope)
        return None


def tensorflow(job):
    import tensorflow as tf
    import tensorflow_addons as tfa

    tf.keras.backend.set_floatx("float64")
    n_outputs = len(job["intercepts"][-1])
    sizes = [len(part) for part in job["intercepts"]]
    layers = [tf.keras.layers.Dense(n, "tanh" if i < len(sizes) - 1 else None) for i, n in enumerate(sizes)]
    model = tf.keras.Sequential([tf.keras.layers.InputLayer((3,)), *layers])
    model.set_weights([np.array(a) for pair in zip(job["coefs"], job["intercepts"], strict=True) for a in pair])
    of_targets = {
        "squared_error": tf.keras.losses.MeanSquaredError(),
        "absolute_error": tf.keras.losses.MeanAbsoluteError(),
        "huber": tf.keras.losses.Huber(delta=1.35),
        "quantile": tfa.losses.PinballLoss(tau=0.7),
    }
    if job["loss"] in of_targets:
        loss = of_targets[job["loss"]]
    elif n_outputs > 1:
        loss = tf.keras.losses.CategoricalCrossentropy(from_logits=True)
    else:
        loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    scope = {"tf": tf, "tfa": tfa, "model": model}
    optimizer = execute(job["code"], scope) or scope["optimizer"]
    for X, Y in job["batches"]:
        with tf.GradientTape() as tape:
            if job["target"] == "tf.l2_loss":
                execute(job["code"].split("\n")[0], scope)  # the penalty at the present weights
            value = loss(tf.constant(Y, tf.float64), model(tf.constant(X, tf.float64))) + scope.get("penalty", 0.0)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
    parameters = model.get_weights()
    return parameters[::2], parameters[1::2]


def mxnet(job):
    np.bool = bool
    import mxnet as mx

    net = mx.gluon.nn.Sequential()
    sizes = [len(part) for part in job["intercepts"]]
    for i, n in enumerate(sizes):
        net.add(mx.gluon.nn.Dense(n, in_units=len(job["coefs"][i]), activation="tanh" if i < len(sizes) - 1 else None))
    net.cast("float64")
    net.initialize()
    for layer, coef, intercept in zip(net, job["coefs"], job["intercepts"], strict=True):
        layer.weight.set_data(mx.nd.array(np.array(coef).T, dtype="float64"))
        layer.bias.set_data(mx.nd.array(intercept, dtype="float64"))
    of_targets = {
        "squared_error": mx.gluon.loss.L2Loss(),
        "absolute_error": mx.gluon.loss.L1Loss(),
        "huber": mx.gluon.loss.HuberLoss(rho=1.35),
    }
    if job["loss"] in of_targets:
        loss = of_targets[job["loss"]]
    elif sizes[-1] > 1:
        loss = mx.gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)
    else:
        loss = mx.gluon.loss.SigmoidBinaryCrossEntropyLoss()
    trainer = execute(job["code"], {"mx": mx, "net": net})
    for X, Y in job["batches"]:
        with mx.autograd.record():
            value = loss(net(mx.nd.array(X, dtype="float64")), mx.nd.array(Y, dtype="float64"))
        value.backward()
        trainer.step(len(X))
    return [layer.weight.data().asnumpy().T for layer in net], [layer.bias.data().asnumpy() for layer in net]


if __name__ == "__main__":
    results = []
    for job in json.load(sys.stdin):
        coefs, intercepts = (mxnet if job["target"].startswith("mxnet") else tensorflow)(job)
        results.append([float(value) for a in (*coefs, *intercepts) for value in np.ravel(a)])
    print(json.dumps(results))
