"""How fast the kernels of the implementation are, against a copy or a matrix product and against their peers.

workloads   what is measured: one short entry for each kernel, with its sizes, its least traffic and its peers
peers       the same mathematics in plain PyTorch, where PyTorch has no function for it
measure     how: rotated arguments, interleaved variants, quantiles; the clock is exchangeable
cuda        the clock of a GPU: events, graphs, peak memory, synchronisation check
ceiling     what a plain copy and a plain matrix product reach in the same run
judge       rates, percentages, ratios, targets
report      table, JSON, records
roofline    the plot
"""
