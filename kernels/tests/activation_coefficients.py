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


def least_squares(nodes, fixed, count):
    """The next `count` coefficients after `fixed`, weight r: the relative error of exp(r) - 1."""
    a, b = matrix(count, count), matrix(count, 1)
    for r in nodes:
        target = (g(r) - sum(c * r**i for i, c in enumerate(fixed))) * r
        basis = [r ** (len(fixed) + i + 1) for i in range(count)]
        for i in range(count):
            b[i] += basis[i] * target
            for j in range(count):
                a[i, j] += basis[i] * basis[j]
    return list(lu_solve(a, b))


def fit(name, degree, bound, to_nearest, ln_2_bits):
    nodes = [bound * cos(pi * (2 * i + 1) / 400) for i in range(200)]
    c = [mpf(1) / 2]
    while len(c) <= degree:
        c.append(to_nearest(least_squares(nodes, c, degree + 1 - len(c))[0]))
    grid = [bound * (mpf(2 * i + 1) / 2000 - 1) for i in range(2000)]
    error = max(abs(r * (g(r) - sum(k * r**i for i, k in enumerate(c)))) for r in grid)
    high = nint(log(2) * mpf(2) ** ln_2_bits) / mpf(2) ** ln_2_bits
    print(name, "relative error of exp(r) - 1: 2 **", nstr(log(error, 2), 5))
    print("  expm1_tail", [float(k) for k in c])
    print("  ln_2_high", float(high), "ln_2_low", float(to_nearest(log(2) - high)))
    print("  log2_e", float(to_nearest(1 / log(2))))


fit("f32", 5, mpf("0.3467"), to_f32, 16)
fit("f64", 10, mpf("0.34658"), to_f64, 42)
