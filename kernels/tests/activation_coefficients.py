"""The constants of src/activation.rs and src/activation/circular.rs: prints them with their errors. Needs mpmath 1.3; takes some seconds."""

import struct

from mpmath import exp, floor, log, lu_solve, matrix, mp, mpf, nint, nstr, cos, pi, sin

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


def sine(z):
    return (sin(z**0.5) - z**0.5) / z**1.5


def cosine(z):
    return (cos(z**0.5) - 1 + z / 2) / z**2


def least_squares(nodes, g, weight, fixed, count):
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


def fit(name, g, weight, fixed, degree, bounds, to_nearest):
    """Coefficients of g, with the largest weighted error on the interval of these bounds."""
    middle, half = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2
    nodes = [middle + half * cos(pi * (2 * i + 1) / 400) for i in range(200)]
    c = list(fixed)
    while len(c) <= degree:
        c.append(to_nearest(least_squares(nodes, g, weight, c, degree + 1 - len(c))[0]))
    grid = [middle + half * (mpf(2 * i + 1) / 2000 - 1) for i in range(2000)]
    error = max(abs(weight(r) * (g(r) - sum(k * r**i for i, k in enumerate(c)))) for r in grid)
    print(name, [float(k) for k in c], "weighted error: 2 **", nstr(log(error, 2), 5))


def constants(name, degree, bound, to_nearest, ln_2_bits):
    print(name)
    fit("  expm1_tail", g, weight_exp, [mpf(1) / 2], degree, [-bound, bound], to_nearest)
    fit("  tanh_tail", g, weight_tanh, [mpf(1) / 2], degree + 1, [-bound, bound], to_nearest)
    high = nint(log(2) * mpf(2) ** ln_2_bits) / mpf(2) ** ln_2_bits
    print("  ln_2_high", float(high), "ln_2_low", float(to_nearest(log(2) - high)))
    print("  log2_e", float(to_nearest(1 / log(2))))


def circular(name, degree, to_nearest, bits):
    """sin r = r + r z s(z), cos r = 1 - z/2 + z^2 c(z), z = r^2, |r| a little more than pi/4; pi/2 in three parts."""
    print(name)
    bounds = [mpf(0), mpf("0.7854") ** 2]
    fit("  sine", sine, lambda z: z, [], degree, bounds, to_nearest)
    fit("  cosine", cosine, lambda z: z**2, [], degree, bounds, to_nearest)
    rest, parts = pi / 2, []
    for _ in range(2):
        parts.append(floor(rest * mpf(2) ** bits) / mpf(2) ** bits)
        rest, bits = rest - parts[-1], 2 * bits + 1
    print("  half_pi", [float(part) for part in parts + [to_nearest(rest)]])
    print("  two_over_pi", float(to_nearest(2 / pi)))


constants("f32", 4, mpf("0.3467"), to_f32, 16)
constants("f64", 9, mpf("0.34658"), to_f64, 42)
circular("f32", 2, to_f32, 11)
circular("f64", 5, to_f64, 32)
