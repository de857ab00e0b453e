import CMecaKernels

/// Fused multiply-adds per second of this core in fp32, 10⁹ operations (two each); nil where the
/// processor has none.
///
/// The limit of direct convolutions. The best of several short runs: what disturbs one lowers it.
/// - Ranks: local.
public func measuredPeak() -> Double? {
  let clock = ContinuousClock()
  var sink: Float = 0
  var best = 0.0
  for _ in 0..<10 {
    var operations = 0.0
    let time = clock.measure { operations = meca_multiply_add(1_000_000, &sink) }
    best = max(best, operations / (time / .seconds(1)) / 1e9)
  }
  return best > 0 ? best : nil
}
