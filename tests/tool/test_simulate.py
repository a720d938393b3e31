"""The simulated device: each mechanism is seen to catch what it is for, and to stay silent otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from albor_contracts.simulate import Arena, Device, DeviceError, OutOfMemory, refusing, watching
from albor_contracts.simulate.arena import CANARY, GUARD, POISONS


def product(a, b, c, m, n, k):
    """c[m, k] = a[m, n] b[k, n]^T in flat memory."""
    over = np.arange(n)
    for i in range(m):
        for j in range(k):
            c[i * k + j] = np.dot(a[i * n + over], b[j * n + over])


def fill(x, n, value):
    x[np.arange(n)] = value


def twice(x, y, n):
    y[np.arange(n)] = 2 * x[np.arange(n)]


# The arena


def test_buffers_lie_side_by_side_between_guards_and_begin_as_poison():
    arena = Arena(4096, poison=0xCB)
    a = arena.allocate("a", (3,), np.float32)
    b = arena.allocate("b", (2, 2), np.float64)
    assert arena.contents(a).tolist() == [np.frombuffer(b"\xcb" * 4, np.float32)[0]] * 3
    assert arena.contents(a)[0] < 0 and arena.contents(b).shape == (2, 2)
    assert a.start % 16 == 0 and b.start % 16 == 0 and b.start - a.end >= 4 * GUARD
    assert (arena.bytes[a.end : b.start].view(np.uint32) == CANARY).all()


def test_poison_is_no_number_or_negative_in_every_type():
    for dtype in (np.float32, np.float64, np.float16, np.int32, np.int64):
        first, second = (Arena(1024, poison).allocate for poison in POISONS)
        values = []
        for allocate in (first, second):
            buffer = allocate("x", (1,), dtype)
            values.append(allocate.__self__.contents(buffer)[0])
        assert not values[0] >= 0 and values[1] < 0


def test_an_index_past_the_end_reaches_the_guard_and_then_the_neighbour():
    arena = Arena(4096)
    a, v = arena.allocate("a", (4,), np.float32), arena.allocate("v", (4,), np.float32)
    arena.contents(v)[...] = 1
    before = arena.bytes.copy()
    memory = arena.memory(a)
    memory[3] = 7
    assert arena.damage(before, [a]) == "" and arena.damage(before) == "1 element of `a` from element 3 on"
    memory[4:6] = -1
    gap = (v.start - a.start) // 4
    assert memory[gap] == 1
    memory[gap + 2] = -9
    assert arena.contents(v)[2] == -9
    assert arena.damage(before, [a]) == (
        "2 words of the guard behind `a` from word 0 on, 1 element of `v` from element 2 on"
    )
    memory[-1] = 5
    assert "1 word of the guard before `a` from word 7 on" in arena.damage(before, [a])
    with pytest.raises(DeviceError, match="illegal address: `a`"):
        memory[10_000]
    with pytest.raises(DeviceError, match="illegal address"):
        memory[-10_000] = 0.0


def test_memory_runs_out():
    arena = Arena(256)
    arena.allocate("a", (16,), np.float32)
    with pytest.raises(OutOfMemory, match=r"no room for `b` \(float64 \[100\]\): 800 bytes wanted"):
        arena.allocate("b", (100,), np.float64)


# The queue


def test_nothing_happens_before_the_queue_is_drained():
    device = Device(np.float32)
    x, y = device.place("x", np.float32([1, 2, 3])), device.allocate("y", (3,))
    device.launch(twice, (x,), (y,), 3)
    seen = device.host("seen", (3,))
    device.download(y, seen)
    assert np.isnan(device.fetch(y)).all()
    assert np.isnan(seen.read()).all()
    device.synchronize()
    assert seen.read().tolist() == [2, 4, 6]
    device.close()
    assert [f.kind for f in device.findings] == ["does not wait for the queue"]
    assert "`seen` on the host was read while 2 operations waited, among them download y" in device.findings[0].message


def test_a_host_that_waits_is_no_finding():
    device = Device(np.float32)
    x, y = device.place("x", np.float32([1, 2, 3])), device.allocate("y", (3,))
    seen = device.host("seen", (3,))
    assert np.isnan(seen.read()).all()  # nothing is on its way: poison, and no race
    device.launch(twice, (x,), (y,), 3)
    device.download(y, seen)
    device.synchronize()
    assert seen.read().tolist() == [2, 4, 6]
    device.close()
    assert not device.findings


def test_blocking_hides_a_missing_synchronisation():
    device = Device(np.float32, blocking=True)
    x, y = device.place("x", np.float32([1])), device.allocate("y", (1,))
    seen = device.host("seen", (1,))
    device.launch(twice, (x,), (y,), 1)
    device.download(y, seen)
    assert seen.read() == 2
    device.close()
    assert not device.findings and device.record.count("synchronisations") == 0


def test_memory_of_the_host_that_is_changed_too_early_is_copied_as_changed():
    device = Device(np.float64)
    x, source = device.allocate("x", (2,)), device.host("source", (2,))
    source.write([1, 2])
    assert not device.findings
    device.upload(source, x)
    source.write([3, 4])
    assert "`source` on the host was changed" in device.findings[0].message
    device.synchronize()
    assert device.fetch(x).tolist() == [3, 4]
    array = np.array([5.0, 6.0])  # an array is read when the copy is asked for
    device.upload(array, x)
    array[...] = 0
    device.close()
    assert device.fetch(x).tolist() == [5, 6]


def test_a_copy_to_a_buffer_of_another_size_is_refused():
    device = Device(np.float32)
    a, b = device.place("a", np.float32([1, 2])), device.allocate("b", (3,))
    with pytest.raises(DeviceError, match=r"copy of `b` \(float32 \[3\]\): 8 bytes do not fit 12"):
        device.copy(a, b)
    device.close()
    assert [f.kind for f in device.findings] == ["swallows an error of the device"]
    other = Device(np.float32)
    a, b = other.place("a", np.float32([1, 2])), other.allocate("b", (2, 1))
    other.copy(a, b)
    other.close()
    assert other.fetch(b).tolist() == [[1], [2]] and not other.findings


def test_an_error_in_the_queue_comes_with_the_next_wait_and_stays():
    def broken(x):
        x[10**9] = 1

    device = Device()
    x = device.allocate("x", (1,))
    device.launch(broken, (), (x,))
    device.clear(x)  # nothing is known yet
    with pytest.raises(DeviceError, match="illegal address"):
        device.synchronize()
    with pytest.raises(DeviceError, match="illegal address"):
        device.clear(x)
    untold = Device()
    untold.launch(broken, (), (untold.allocate("x", (1,)),))
    with pytest.raises(DeviceError, match="illegal address"):
        untold.close()
    assert not untold.findings  # the program was never told


# A second queue


def snapshot(*, first=True, second=True, n=4, **changes):
    """x is doubled, copied to the host by a queue of its own, and doubled again, in place."""
    device = Device(np.float64, **changes)
    x, host = device.allocate("x", (n,)), device.host("kept", (n,))
    device.upload(np.ones(n), x)
    copies = device.queue("copies")
    device.launch(twice, (x,), (x,), n)
    if first:
        device.wait(device.event(), copies)
    device.download(x, host, queue=copies)
    if second:
        device.wait(device.event(copies))
    device.launch(twice, (x,), (x,), n)
    device.synchronize()
    return device, host.read().tolist(), device.fetch(x).tolist()


@pytest.mark.parametrize("n", [1, 4, 5])
def test_events_put_two_queues_in_order(n):
    device, kept, last = snapshot(n=n)
    assert kept == [2] * n and last == [4] * n and not device.findings
    assert device.record.count("synchronisations") == 1 and [e.kind for e in device.record.entries].count("wait") == 2


def test_a_copy_that_nothing_waits_for_is_torn():
    device, kept, last = snapshot(second=False)
    assert kept == [2, 2, 4, 4] and last == [4] * 4
    (found,) = device.findings
    assert found.kind == "races with another queue"
    assert found.message == (
        "launch twice in the queue `main` and download x in the queue `copies` both use `x`, launch twice writes it, "
        "and nothing says which of them comes first"
    )


def test_a_copy_that_waits_for_nothing_is_too_early():
    device, kept, last = snapshot(first=False)
    assert kept[0] != 2 and last == [4] * 4
    # Found for the upload already: the first of them is enough.
    assert [f.kind for f in device.findings] == ["races with another queue"]
    assert "download x in the queue `copies` and upload x in the queue `main`" in device.findings[0].message


def test_blocking_hides_a_missing_event_and_one_queue_has_no_races():
    for missing in ({"first": False}, {"second": False}):
        device, kept, _ = snapshot(blocking=True, **missing)
        assert kept == [2] * 4 and not device.findings
    device = Device()
    x, other = device.place("x", np.ones(2)), device.queue("other")
    device.launch(fill, (), (x,), 2, 3)
    device.synchronize()
    device.launch(twice, (x,), (x,), 2, queue=other)  # the host has waited: there is an order
    device.close()
    assert device.fetch(x).tolist() == [6, 6] and not device.findings


def test_what_only_reads_needs_no_order_and_order_goes_on_through_a_third_queue():
    device = Device()
    x, y, z = device.place("x", np.ones(2)), device.allocate("y", (2,)), device.allocate("z", (2,))
    second, third = device.queue("second"), device.queue("third")
    device.launch(twice, (x,), (y,), 2)
    device.copy(x, z, queue=second)
    assert not device.findings
    device.wait(device.event(), second)
    device.wait(device.event(second), third)
    device.copy(y, z, queue=third)  # after the copy by the second queue, and after what that has waited for
    device.close()
    assert device.fetch(z).tolist() == [2, 2] and not device.findings
    device.launch(fill, (), (z,), 2, 0, queue=second)
    device.copy(y, z, queue=third)
    assert "copy z in the queue `third` and launch fill in the queue `second`" in device.findings[0].message


def test_an_error_in_one_queue_stops_all():
    device = Device()
    x, other = device.place("x", np.ones(2)), device.queue("other")
    device.launch(lambda x: x[10**9], (x,), (), queue=other)
    device.launch(fill, (), (device.allocate("y", (2,)),), 2, 1)
    with pytest.raises(DeviceError, match="illegal address"):
        device.synchronize()
    with pytest.raises(DeviceError, match="illegal address"):
        device.wait(device.event(other))


# Kernels


def gradient(m, n, k, swapped):
    """da[m, k] = dc[m, n] b[k, n]^T beside the moments of an optimizer; `swapped` takes n for k."""
    device = Device(np.float32)
    rng = np.random.default_rng(0)
    dc = device.place("dc", rng.normal(size=(m, n)).astype(np.float32))
    b = device.place("b", rng.normal(size=(k, n)).astype(np.float32))
    da = device.allocate("da", (m, k))
    v = device.place("v", np.ones(64, np.float32))
    device.launch(product, (dc, b), (da,), m, *((k, n) if swapped else (n, k)))
    device.close()
    expected = device.fetch(dc) @ device.fetch(b).T
    return device, np.allclose(device.fetch(da), expected, atol=1e-5), device.fetch(v)


def test_swapped_sizes_of_a_product_damage_the_neighbour():
    device, right, v = gradient(8, 5, 3, swapped=True)
    assert not right and (v < 0).any()
    (found,) = device.findings
    assert found.kind == "writes outside its buffers"
    assert found.message.startswith("product (launch 1), which writes `da` (float32 [8, 3]), changed 8 words of the")
    assert "`v` from element 0 on" in found.message


@pytest.mark.parametrize("sizes", [(4, 5, 3), (4, 3, 5), (1, 1, 1)])
def test_the_right_product_touches_nothing_else(sizes):
    device, right, v = gradient(*sizes, swapped=False)
    assert right and (v == 1).all() and not device.findings


def test_square_sizes_hide_the_swap():
    device, right, _ = gradient(4, 3, 3, swapped=True)
    assert right and not device.findings


def test_a_kernel_may_not_write_what_it_reads():
    def careless(x, y):
        x[0] = 0
        y[0] = 1

    device = Device()
    x, y = device.place("x", np.ones(2)), device.allocate("y", (1,))
    device.launch(careless, (x,), (y,))
    device.close()
    assert "changed 1 element of `x` from element 0 on" in device.findings[0].message


# Log and counters


def test_everything_is_counted_once():
    with watching() as records:
        device = Device(np.float32)
        x, y = device.allocate("x", (4,)), device.allocate("y", (4,), np.float64)
        device.upload(np.zeros(4), x)
        device.clear(y)
        device.launch(fill, (), (x,), 4, 1)
        device.copy(x, x)
        seen = device.host("seen", (4,))
        device.download(x, seen)
        device.synchronize()
        device.synchronize()
    Device()
    assert records == [device.record]
    counted = {what: device.record.count(what) for what in ("launches", "synchronisations", "uploads", "downloads")}
    assert counted == {"launches": 2, "synchronisations": 2, "uploads": 1, "downloads": 1}
    assert device.record.count("uploaded_bytes") == device.record.count("downloaded_bytes") == 16
    assert device.record.count("allocations") == 2 and device.record.count("bytes") == 16 + 32
    # What a judge places and fetches is not counted.
    device.place("z", np.ones(3))
    device.fetch(x)
    assert device.record.count("allocations") == 2 and device.record.count("downloads") == 1


def test_the_log_says_who_served():
    with refusing("twice", "launch"):
        device = Device()
    x, y = device.place("x", np.ones(2)), device.allocate("y", (2,))
    with pytest.raises(DeviceError, match="kernel twice: no image of it for this device"):
        device.launch(twice, (x,), (y,), 2)
    device.launch(fill, (), (y,), 2, 2)
    assert [str(e) for e in device.record.entries[1:]] == ["launch twice (refused)", "launch fill"]
    assert device.record.served() == ["fill"] and device.record.count("launches") == 1
    device.close()
    assert [f.kind for f in device.findings] == ["swallows an error of the device"]
    assert Device()._refused is None


def test_a_kernel_can_be_made_to_fail_in_the_queue():
    with refusing("twice", "run"):
        device = Device()
    x, y = device.place("x", np.ones(2)), device.allocate("y", (2,))
    device.launch(twice, (x,), (y,), 2)
    with pytest.raises(DeviceError, match="kernel twice: launch 1 failed on the device"):
        device.synchronize()
