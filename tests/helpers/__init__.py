"""Things that tests, the demo and the benchmarks make viewers and cameras of."""
