"""The constants of src/activation.rs: prints them with their errors. Needs mpmath 1.3; takes some seconds."""

import struct

from mpmath import exp, log, lu_solve, matrix, mp, mpf, nint, nstr, cos, pi

mp.prec = 200


def to_f32(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def to_f64(x):
    return mpf(float(x))


def g(r):
    return (exp(r) - 1 - r) / r**2


def weight_exp(r):
    """The relative error of exp(r)."""
    return r**2 / exp(r)


def weight_tanh(r):
    """The relative error of exp(r) - 1 below 0; above, n is at most -1 and tanh twice as sensitive as exp(r)."""
    return abs(r) if r < 0 else 2 * r**2


def least_squares(nodes, weight, fixed, count):
    """The next `count` coefficients after `fixed`."""
    a, b = matrix(count, count), matrix(count, 1)
    for r in nodes:
        target = (g(r) - sum(c * r**i for i, c in enumerate(fixed))) * weight(r)
        basis = [r ** (len(fixed) + i) * weight(r) for i in range(count)]
        for i in range(count):
            b[i] += basis[i] * target
            for j in range(count):
                a[i, j] += basis[i] * basis[j]
    return list(lu_solve(a, b))


def fit(name, weight, degree, bound, to_nearest):
    nodes = [bound * cos(pi * (2 * i + 1) / 400) for i in range(200)]
    c = [mpf(1) / 2]
    while len(c) <= degree:
        c.append(to_nearest(least_squares(nodes, weight, c, degree + 1 - len(c))[0]))
    grid = [bound * (mpf(2 * i + 1) / 2000 - 1) for i in range(2000)]
    error = max(abs(weight(r) * (g(r) - sum(k * r**i for i, k in enumerate(c)))) for r in grid)
    print(name, [float(k) for k in c], "weighted error: 2 **", nstr(log(error, 2), 5))


def constants(name, degree, bound, to_nearest, ln_2_bits):
    print(name)
    fit("  expm1_tail", weight_exp, degree, bound, to_nearest)
    fit("  tanh_tail", weight_tanh, degree + 1, bound, to_nearest)
    high = nint(log(2) * mpf(2) ** ln_2_bits) / mpf(2) ** ln_2_bits
    print("  ln_2_high", float(high), "ln_2_low", float(to_nearest(log(2) - high)))
    print("  log2_e", float(to_nearest(1 / log(2))))


constants("f32", 4, mpf("0.3467"), to_f32, 16)
constants("f64", 9, mpf("0.34658"), to_f64, 42)
