"""optim/gradient-noise-scale: Gradient noise scale.

Compiled from contracts/optim/gradient-noise-scale-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 5f9eb45332b8f239dce95df9c527b5f4906b1d8f5cb142f02cf26017826b83aa
"""

from albor_contracts.testing import (
    abs, approx, cases, claim, defines, definitions, exact, example, given, inf, obligation, ratio, rejects, single,
    where,
)

CONTRACT = "optim/gradient-noise-scale"


@defines(
    "noise_scale(small: real, large: real, small_batch: int, large_batch: int)"
    " -> signal: real, noise: real, scale: real"
)
def noise_scale(small, large, small_batch, large_batch):
    """signal = (B large - b small) / (B - b), noise = (small - large) / (1/b - 1/B), scale = noise / signal"""
    signal = single(ratio(large_batch * large - small_batch * small, large_batch - small_batch))
    noise = single(ratio(small - large, ratio(1, small_batch) - ratio(1, large_batch)))
    scale = single(ratio(noise, signal))
    return signal, noise, scale


spec = definitions(CONTRACT, noise_scale)

noise_scale_inputs = cases(
    small="real in [0.1, 20]",
    large="real in [0.1, 10]",
    small_batch="int in {1, 2, 8}",
    large_batch="int in {16, 64, 1024}",
    truth_="real in {0.5, 1, 2.75, 3}",
    trace="real in {0.5, 1, 3, 40.5, 96}",
)
gn_exchange_inputs = cases(
    small="real in [0.1, 20]",
    large="real in [0.1, 10]",
    small_batch="int in [1, 64]",
    large_batch="int in [small_batch + 1, 4096]",
)
gn_units_inputs = cases(
    small="real in [0.1, 20]",
    large="real in [0.1, 10]",
    small_batch="int in [1, 64]",
    large_batch="int in [small_batch + 1, 4096]",
    c="real in {0.25, 0.5, 2, 4}",
    k="int in [2, 5]",
)
gn_below_zero_inputs = cases(
    small="real in [0.1, 20]",
    large="real in [0.1, 10]",
    small_batch="int in {1, 2, 8}",
    large_batch="int in {16, 64, 1024}",
    trace="real in {0.5, 1, 3, 40.5, 96}",
)
gn_none_inputs = cases(
    small="real in [0.1, 20]",
    large="real in [0.1, 10]",
    small_batch="int in [1, 64]",
    large_batch="int in [small_batch + 1, 4096]",
    none="int in [-2, 0]",
    which="int in [0, 1]",
)


@obligation("GN-RECOVERS", equation="noise_scale", type="roundtrip")
@given(case=noise_scale_inputs)
def test_gn_recovers(kernel, case):
    """Squared norms of |G|^2 + tr / b and |G|^2 + tr / B give back |G|^2, tr and tr / |G|^2."""
    small_batch, large_batch, truth_, trace = kernel.receives(case, "small_batch large_batch truth_ trace")
    a = single(truth_ + ratio(trace, small_batch))
    b = single(truth_ + ratio(trace, large_batch))
    signal, noise, scale = kernel.noise_scale(a, b, small_batch, large_batch)
    claim(approx(signal, truth_))
    claim(approx(noise, trace))
    claim(approx(scale, ratio(trace, truth_)))


@obligation("GN-EXCHANGE", equation="noise_scale", type="symmetry")
@given(case=gn_exchange_inputs)
def test_gn_exchange(kernel, case):
    """Exchanging both pairs changes nothing."""
    small, large, small_batch, large_batch = kernel.receives(case, "small large small_batch large_batch")
    signal, noise, scale = kernel.noise_scale(small, large, small_batch, large_batch)
    signal2, noise2, scale2 = kernel.noise_scale(large, small, large_batch, small_batch)
    claim(approx(signal2, signal))
    claim(approx(noise2, noise))
    claim(approx(scale2, scale))


@obligation("GN-UNITS", equation="noise_scale", type="homogeneity")
@given(case=gn_units_inputs)
def test_gn_units(kernel, case):
    """Gradients in another unit leave the scale as it is; batches counted in other units multiply it."""
    small, large, small_batch, large_batch, c, k = kernel.receives(case, "small large small_batch large_batch c k")
    signal, noise, scale = kernel.noise_scale(small, large, small_batch, large_batch)
    signal2, noise2, scale2 = kernel.noise_scale(c * c * small, c * c * large, k * small_batch, k * large_batch)
    claim(approx(signal2, c * c * signal))
    claim(approx(noise2, k * c * c * noise))
    claim(approx(scale2, k * scale))


@obligation("GN-BELOW-ZERO", equation="noise_scale", type="conservation")
@given(case=gn_below_zero_inputs)
def test_gn_below_zero(kernel, case):
    """Where the larger batch's squared norm is half of its share of the noise, signal and scale are negative: -tr / (2
    B) and -2 B."""
    small_batch, large_batch, trace = kernel.receives(case, "small_batch large_batch trace")
    a = single(ratio(trace, small_batch) - ratio(trace, 2 * large_batch))
    b = single(ratio(trace, 2 * large_batch))
    signal, noise, scale = kernel.noise_scale(a, b, small_batch, large_batch)
    claim(approx(signal, ratio(-trace, 2 * large_batch)))
    claim(approx(noise, trace))
    claim(approx(scale, -2 * large_batch))


@obligation("GN-EQUAL", equation="noise_scale", type="rejection")
@given(case=gn_exchange_inputs)
def test_gn_equal(kernel, case):
    """Two batches of one size tell nothing, and are refused."""
    small, large, small_batch = kernel.receives(case, "small large small_batch")
    rejects(kernel, "noise_scale", (small, large, small_batch, small_batch), ValueError, mentions=["batch"])


@obligation("GN-NONE", equation="noise_scale", type="rejection")
@given(case=gn_none_inputs)
def test_gn_none(kernel, case):
    """A batch of less than one sample, the smaller or the larger, is refused."""
    small, large, small_batch, large_batch, none, which = kernel.receives(case, "small large small_batch large_batch none which")
    rejects(
        kernel,
        "noise_scale",
        (small, large, where(which == 0, none, small_batch), where(which == 0, large_batch, none)),
        ValueError,
    )


@obligation("GN-NO-SIGNAL", equation="noise_scale", type="boundary")
@given(case=gn_below_zero_inputs)
def test_gn_no_signal(kernel, case):
    """Where the squared norms are the noise's shares, tr / b and tr / B, the signal is 0 and the scale infinite: a
    value, and no error."""
    small_batch, large_batch, trace = kernel.receives(case, "small_batch large_batch trace")
    signal, noise, scale = kernel.noise_scale(ratio(trace, small_batch), ratio(trace, large_batch), small_batch, large_batch)
    claim(signal == 0)
    claim(approx(noise, trace))
    claim(exact(scale, inf))


@obligation("GN-DEF-NOISE_SCALE", equation="noise_scale", type="definition")
@given(case=gn_exchange_inputs)
def test_gn_def_noise_scale(kernel, case):
    """noise_scale computes its definition."""
    small, large, small_batch, large_batch = kernel.receives(case, "small large small_batch large_batch")
    signal, noise, scale = kernel.noise_scale(small, large, small_batch, large_batch)
    expected_signal, expected_noise, expected_scale = spec.noise_scale(small, large, small_batch, large_batch)
    claim(approx(signal, expected_signal))
    claim(approx(noise, expected_noise))
    claim(approx(scale, expected_scale))


@obligation("GN-FT-HAND", rule="GN-RECOVERS", type="falsification")
def test_gn_ft_hand(kernel):
    """Squared norms of 5 over 1 sample and 2 over 4 make a signal of 1, a noise of 4 and a scale of 4 samples."""
    case = example(
        {"small": "real", "large": "real", "small_batch": "int", "large_batch": "int", "truth_": "real", "trace": "real"},
        small=5.0,
        large=2.0,
        small_batch=1,
        large_batch=4,
        truth_=1.0,
        trace=4.0,
    )
    small, large, small_batch, large_batch = kernel.receives(case, "small large small_batch large_batch")
    signal, noise, scale = kernel.noise_scale(small, large, small_batch, large_batch)
    claim(approx(signal, 1))
    claim(approx(noise, 4))
    claim(approx(scale, 4))


@obligation("GN-FT-NEGATIVE", rule="GN-BELOW-ZERO", type="falsification")
def test_gn_ft_negative(kernel):
    """Squared norms of 20 over 64 samples and 0.1 over 65 make a signal of -1273.5, a noise of 82784 and a scale of
    -65.005 samples."""
    case = example(
        {"small": "real", "large": "real", "small_batch": "int", "large_batch": "int", "trace": "real"},
        small=20.0,
        large=0.1,
        small_batch=64,
        large_batch=65,
        trace=1.0,
    )
    small, large, small_batch, large_batch = kernel.receives(case, "small large small_batch large_batch")
    signal, noise, scale = kernel.noise_scale(small, large, small_batch, large_batch)
    claim(abs(signal + 1273.5) < 1e-06)
    claim(abs(noise - 82784) < 0.0001)
    claim(abs(scale + 65.005104) < 1e-06)
